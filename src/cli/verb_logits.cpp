// linnet logits: what a model computes for given token ids, as safetensors, for whoever wants to check or to study it.
#include <algorithm>
#include <memory>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "formats/safetensors_writer.hpp"

namespace linnet::cli {

namespace {

using Ids = std::vector<std::vector<int32_t>>;

struct Flags {
  ModelFlags model;
  std::string ids;
  std::string out;
  bool hidden = false;
  int64_t greedy = 0;
  bool json = false;
};

Result<Ids> read_ids(const std::string& path) {
  TRY_ASSIGN(const Json json, read_json_file(path));
  const auto wrong = [&](const std::string& what) {
    return invalid(what, path, "the file must be a list of equally long lists of token ids: [[1, 2, 3], [4, 5, 6]]");
  };
  if (!json.is_array() || json.empty()) return wrong("is not a list of lists");
  Ids ids;
  for (const Json& row : json) {
    if (!row.is_array() || row.empty()) return wrong("has an item that is not a list of ids");
    std::vector<int32_t> tokens;
    for (const Json& id : row) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX)
        return wrong("has " + dump_json(id) + " where an id belongs");
      tokens.push_back(id.get<int32_t>());
    }
    if (!ids.empty() && tokens.size() != ids[0].size()) return wrong("has lists of different lengths");
    ids.push_back(std::move(tokens));
  }
  return ids;
}

// Rows of tensors (T, C) one after the other as (B, T, C).
Tensor stack(const std::vector<Tensor>& parts) {
  Tensor out = Tensor::empty(DType::kF32, {static_cast<int64_t>(parts.size()), parts[0].dim(0), parts[0].dim(1)});
  for (size_t b = 0; b < parts.size(); ++b) {
    const auto from = parts[b].span<float>();
    std::copy(from.begin(), from.end(), out.data<float>() + static_cast<int64_t>(b) * parts[b].elements());
  }
  return out;
}

Result<std::vector<int32_t>> continue_greedily(const Transformer& model, Runtime& runtime, std::vector<int32_t> tokens,
                                               int64_t count, DType kv) {
  Session session(model, runtime.context(), static_cast<int64_t>(tokens.size()) + count, kv);
  TRY_ASSIGN(std::span<const float> logits, session.read(tokens, &interrupt_token()));
  for (int64_t i = 0; i < count; ++i) {
    TRY(interrupt_token().check());
    tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    if (i + 1 < count) {
      TRY_ASSIGN(logits, session.read_next(tokens.back()));
    }
  }
  return tokens;
}

Tensor integers(const Ids& rows) {
  Tensor out = Tensor::empty(DType::kI64, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())});
  int64_t* to = out.data<int64_t>();
  for (const auto& row : rows) to = std::copy(row.begin(), row.end(), to);
  return out;
}

Json list_tensors(const std::vector<TensorToWrite>& tensors) {
  Json list = Json::object();
  for (const TensorToWrite& tensor : tensors) {
    const auto dims = tensor.shape.dims();
    list[tensor.name] = {{"dtype", std::string(dtype_name(tensor.type.plain()))},
                         {"shape", std::vector<int64_t>(dims.begin(), dims.end())}};
  }
  return list;
}

Status run(const Flags& flags) {
  TRY_ASSIGN(const Ids ids, read_ids(flags.ids));
  interrupt_token();
  TRY_ASSIGN(const ModelHandle model, find_model(flags.model.model));
  TRY(check_not_a_source(flags.out, source_files(model.description)));
  TRY_ASSIGN(const std::unique_ptr<Runtime> runtime, Runtime::create(flags.model.threads));
  const auto length = static_cast<int64_t>(ids[0].size());
  TRY_ASSIGN(const std::vector<ChosenAdapter> adapters, adapters_of(model, flags.model.adapters));
  TRY_ASSIGN(const DType kv, choose_kv_dtype(flags.model.kv, model.description, runtime->context().kernels()));
  TRY_ASSIGN(const Transformer transformer, load_weights(model, *runtime, length + flags.greedy, adapters, kv));

  std::vector<Tensor> logits;
  std::vector<std::vector<Tensor>> hidden;
  std::vector<Tensor> last;
  for (const auto& row : ids) {
    TRY(interrupt_token().check());
    TRY_ASSIGN(ForwardOutput out, transformer.forward(runtime->context(), whole_sequence(row), nullptr, flags.hidden));
    if (out.logits.defined()) logits.push_back(out.logits);
    last.push_back(out.last_hidden);
    hidden.push_back(std::move(out.hidden));
  }
  std::vector<TensorToWrite> tensors{TensorToWrite::of("input_ids", integers(ids))};
  if (!logits.empty()) tensors.push_back(TensorToWrite::of("logits", stack(logits)));
  if (flags.hidden) {
    for (size_t l = 0; l < hidden[0].size(); ++l) {
      std::vector<Tensor> layer;
      layer.reserve(hidden.size());
      for (const auto& row : hidden) layer.push_back(row[l]);
      tensors.push_back(TensorToWrite::of("hidden." + std::to_string(l), stack(layer)));
    }
    tensors.push_back(TensorToWrite::of("hidden.last", stack(last)));
  }
  if (flags.greedy > 0) {
    if (logits.empty()) return usage_error("--greedy needs a model that makes text; this one makes embeddings");
    Ids continued;
    for (const auto& row : ids) {
      TRY_ASSIGN(std::vector<int32_t> tokens, continue_greedily(transformer, *runtime, row, flags.greedy, kv));
      continued.push_back(std::move(tokens));
    }
    tensors.push_back(TensorToWrite::of("greedy", integers(continued)));
  }
  const Json written = list_tensors(tensors);
  TRY(write_safetensors(flags.out, std::move(tensors)));
  return flags.json ? print_json({{"out", flags.out}, {"tensors", written}}) : ok_status();
}

}  // namespace

Job declare_logits(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  flags->model.declare(args);
  args.add("--ids", flags->ids, "a JSON file: a list of equally long lists of token ids").required();
  args.add("--out", flags->out, "the safetensors file to write: input_ids, logits (B, T, V)").required().not_empty();
  args.flag("--hidden", flags->hidden, "also hidden.K (B, T, C), the residual stream entering layer K");
  args.add("--greedy", flags->greedy, "also greedy: the ids and N more, each the likeliest").non_negative();
  args.flag("--json", flags->json, "what was written, as JSON: {\"out\", \"tensors\": {name: {\"dtype\", \"shape\"}}}");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
