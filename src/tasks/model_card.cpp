#include "tasks/model_card.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/json.hpp"
#include "train/loop.hpp"
#include "train/step_log.hpp"

namespace linnet {

namespace {

// Of run.json, what a section of its own says, and what is of this machine.
constexpr std::array kNotRecipe{"kind",           "base",          "base_file",  "created",         "form",
                                "data_sha256",    "data_bytes",    "name",       "samples",         "held_out_samples",
                                "learned_tokens", "tokens",        "parameters", "held_out_tokens", "tokenizer",
                                "test",           "chat_template", "pairs",      "texts",           "held_out"};

// What the hub files it under, and what its held-out loss is counted by.
struct Use {
  const char* pipeline;
  const char* unit;
};
Use use_of(const RunVersion& version) {
  if (version.is_embedding()) return {"sentence-similarity", "pair"};
  if (version.is_classifier()) return {"text-classification", "text"};
  return {"text-generation", "token"};
}

// The base as others find it: a repository, else the name that its files give it.
struct BaseName {
  std::string shown;
  std::string repository;  // on the hub; empty: not known
};

BaseName base_name(const StoredModel& stored) {
  const Manifest& manifest = stored.manifest;
  if (const auto source = parse_source(manifest.source); source.ok() && source->kind == Source::Kind::kHuggingFace) {
    const std::string repository = source->owner + "/" + source->repo;
    return {repository, repository};
  }
  if (stored.origin != StoredModel::Origin::kPath) return {stored.name, ""};
  return {stored.path.stem().string(), ""};
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

// One line, in which nothing begins a new cell.
std::string cell(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  for (size_t at = 0; (at = text.find('|', at)) != text.npos; at += 2) text.insert(at, "\\");
  return text;
}

void add_rows(const Json& info, const std::string& before, std::string& table) {
  for (const auto& [key, value] : info.items()) {
    if (before.empty() && std::ranges::find(kNotRecipe, key) != kNotRecipe.end()) continue;
    if (value.is_null() || value == Json("") || value == Json::array()) continue;
    if (value.is_object()) {
      add_rows(value, before + key + ".", table);
    } else {
      table += fmt::format("| {} | {} |\n", before + key, cell(text_of(value)));
    }
  }
}

std::string data_section(const RunVersion& version) {
  const Json& info = version.info;
  const auto number = [&](const char* key) { return info.contains(key) ? dump_json(info[key]) : "0"; };
  const std::string digest = info.contains("data_sha256") ? text_of(info["data_sha256"]) : "";
  if (version.is_embedding()) {
    return fmt::format("## Data\n\n{} pairs of texts to learn from, {} held out. SHA-256 of the texts: `{}`\n\n",
                       number("pairs"), number("held_out"), digest);
  }
  if (version.is_classifier()) {
    return fmt::format(
        "## Data\n\n{} texts with {} labels to learn from, {} held out. SHA-256 of labels and texts: `{}`\n\n",
        number("texts"), number("labels"), number("held_out"), digest);
  }
  if (version.base().empty()) {
    return fmt::format(
        "## Data\n\n{} bytes of text: {} tokens to learn from, of the others {} were held out. SHA-256 of the text: "
        "`{}`\n\n",
        number("data_bytes"), number("tokens"), number("held_out_tokens"), digest);
  }
  return fmt::format(
      "## Data\n\n{} samples of {} to learn from, {} held out; {} tokens, of which {} were learned. SHA-256 of the "
      "token "
      "sequences and their mask: `{}`\n\n",
      number("samples"), info.contains("form") ? text_of(info["form"]) : "text", number("held_out_samples"),
      number("tokens"), number("learned_tokens"), digest);
}

// What a test said of the model and of what it was compared with ("test" in run.json).
std::string test_section(const Json& test) {
  const auto scores = test.find("scores");
  if (scores == test.end() || !scores->is_object() || scores->empty()) return {};
  std::string head = "| | items |", line = "|---|---|", rows;
  for (const auto& [name, score] : scores->front().items()) {
    if (!score.is_object()) continue;
    head += fmt::format(" {} |", name);
    line += "---|";
  }
  for (const auto& [writer, all] : scores->items()) {
    rows += fmt::format("| {} | {} |", writer, text_of(all.value("items", Json(0))));
    for (const auto& [name, score] : all.items()) {
      if (!score.is_object()) continue;
      rows += fmt::format(" {:.4g} ± {:.2g} |", score.value("value", 0.0), score.value("standard_error", 0.0));
    }
    rows += "\n";
  }
  const std::string recommended =
      test.contains("recommended") ? "; recommended: " + text_of(test["recommended"]) : std::string();
  return fmt::format("## Test\n\nOn {}, with standard errors{}.\n\n{}\n{}\n{}\n",
                     text_of(test.value("on", Json("a test"))), recommended, head, line, rows);
}

// The first and the best held-out loss of a run; the first is that of before the first step where it was measured.
Result<std::string> scores_section(const RunVersion& version) {
  TRY_ASSIGN(const std::vector<Json> lines, read_step_log(version.folder / "metrics.jsonl"));
  std::optional<double> first, best;
  bool untaught = false;
  for (const Json& line : lines) {
    const auto held_out = line.find("held_out");
    if (held_out == line.end() || !held_out->is_number()) continue;
    const auto loss = held_out->get<double>();
    if (!first) first = loss;
    if (line.value("step", int64_t{0}) == kBeforeFirst) {
      untaught = true;
      continue;
    }
    best = std::min(best.value_or(loss), loss);
  }
  if (!best) return std::string();
  return fmt::format("## Scores\n\nHeld-out loss, in nats a {}: {:.4f} (the best evaluation; {} {:.4f})\n\n",
                     use_of(version).unit, *best, untaught ? "untaught it was" : "the first was", *first);
}

bool is_dora(const RunVersion& version) {
  const auto adapter = version.info.find("adapter");
  const Json& settings = adapter != version.info.end() && adapter->is_object() ? *adapter : version.info;
  return settings.value("dora", Json(false)) == Json(true);
}

// Of what was learned on top of a base. merged: into a model of its own.
std::string head_of_taught(const RunVersion& version, const BaseName& base, const std::string& license, bool merged) {
  std::string card = "---\n";
  if (!license.empty()) card += "license: " + dump_json(license) + "\n";
  if (!base.repository.empty()) card += "base_model: " + base.repository + "\n";
  card +=
      fmt::format("library_name: {}\npipeline_tag: {}\ntags:\n- linnet\n{}---\n\n# {}\n\n",
                  merged ? "transformers" : "peft", use_of(version).pipeline, merged ? "" : "- lora\n", version.name);
  card += version.whole_model() ? fmt::format("{}, taught with Linnet: its own weights learned.\n", base.shown)
          : merged ? fmt::format("{}, taught with Linnet; what it learned is merged into the weights.\n", base.shown)
                   : fmt::format("A {} adapter for {}, taught with Linnet.\n", is_dora(version) ? "DoRA" : "LoRA",
                                 base.shown);
  return card + (license.empty()
                     ? "\nThe licence of the base is not known.\n\n"
                     : fmt::format("\nThe base is under the licence {}, whose terms hold for this, too.\n\n", license));
}

std::string head_of_trained(const RunVersion& version) {
  return fmt::format(
      "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- linnet\n---\n\n# {}\n\n"
      "A language model of {} parameters, trained from random weights with Linnet.\n\n",
      version.name, version.info.contains("parameters") ? dump_json(version.info["parameters"]) : "unknown");
}

std::string head_of(const RunVersion& version, const ModelHandle& model, bool merged) {
  if (version.base().empty()) return head_of_trained(version);
  if (!version.whole_model()) {
    return head_of_taught(version, base_name(model.stored), license_of(model.stored, model.description.files), merged);
  }
  // The model is what came out; what it was taught from may be gone by now.
  const auto base = find_files(version.base());
  if (!base.ok()) return head_of_taught(version, {std::filesystem::path(version.base()).stem().string(), ""}, "", true);
  return head_of_taught(version, base_name(base->stored), license_of(base->stored, base->files), true);
}

}  // namespace

Result<std::string> model_card(const RunVersion& version, const ModelHandle& model, bool merged) {
  std::string card = head_of(version, model, merged);
  card += data_section(version);
  card += "## Recipe\n\n| | |\n|---|---|\n";
  add_rows(version.info, "", card);
  TRY_ASSIGN(const std::string scores, scores_section(version));
  card += "\n" + scores;
  if (const auto test = version.info.find("test"); test != version.info.end()) card += test_section(*test);
  return card;
}

}  // namespace linnet
