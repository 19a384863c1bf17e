// linnet doctor: what this machine is, and what it can run.
#include <fmt/core.h>
#include <memory>

#include "base/json.hpp"
#include "base/paths.hpp"
#include "base/system.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "hub/catalog.hpp"
#include "kernels/cpu_features.hpp"
#include "kernels/isa.hpp"
#include "kernels/registry.hpp"

namespace linnet::cli {

namespace {

Json describe() {
  const MemoryInfo memory = memory_info();
  const auto kernels = kernel_table_for_this_machine();
  Json models = Json::array();
  for (const CatalogEntry& entry : catalog()) {
    if (entry.memory > memory.available) continue;
    models.push_back({{"name", entry.name},
                      {"description", entry.description},
                      {"memory", entry.memory},
                      {"download", entry.bytes}});
  }
  return {{"cpu", cpu_name()},
          {"cores", usable_cores()},
          {"cpu_features", cpu_features()},
          {"instruction_sets", machine_isas()},
          {"kernels", kernels.ok() ? std::string((*kernels)->isa) : ""},
          {"memory", memory.total},
          {"memory_available", memory.available},
          {"data_dir", data_dir().string()},
          {"disk_free", free_disk_bytes(data_dir())},
          {"models", std::move(models)}};
}

std::string for_people(const Json& d) {
  const auto text = [&](const char* key) { return d[key].get<std::string>(); };
  const auto size = [&](const char* key) { return format_bytes(d[key].get<uint64_t>()); };
  std::string out;
  out += fmt::format("processor         {}, {} cores usable\n", text("cpu"), d["cores"].get<int>());
  out += fmt::format("instruction sets  {}; kernels for {}\n", text("instruction_sets"), text("kernels"));
  if (text("kernels") == reference_kernels().isa) {
    out +=
        "                  the portable code runs, right but slow: fast kernels need AVX2, or the dot products of "
        "arm64\n";
  }
  out += fmt::format("memory            {}, {} free\n", size("memory"), size("memory_available"));
  out += fmt::format("models lie in     {}, {} free on that disk\n", text("data_dir"), size("disk_free"));
  out += "\nIt can run, among others:\n";
  for (const Json& model : d["models"]) {
    out += fmt::format("  linnet pull {:<16} {:>8} to download, {:>8} of memory   {}\n",
                       model["name"].get<std::string>(), format_bytes(model["download"].get<uint64_t>()),
                       format_bytes(model["memory"].get<uint64_t>()), model["description"].get<std::string>());
  }
  return out;
}

}  // namespace

Job declare_doctor(Arguments& args) {
  auto json = std::make_shared<bool>(false);
  args.flag("--json", *json, "the same for machines");
  return [json]() -> Status {
    // A LINNET_ISA that means nothing here is what a doctor should say first.
    TRY(kernel_table_for_this_machine());
    const Json description = describe();
    return *json ? print_json(description) : print(for_people(description));
  };
}

}  // namespace linnet::cli
