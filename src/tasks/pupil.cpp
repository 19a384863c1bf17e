#include "tasks/pupil.hpp"

#include "base/log.hpp"
#include "base/part_file.hpp"
#include "export/hugging_face_out.hpp"

namespace linnet {

namespace {

// What is written can be exported in fewer bits, but never in more.
constexpr DType kWritten = DType::kF32;

}  // namespace

std::string_view learns_name(Learns learns) {
  switch (learns) {
    case Learns::kAdapter:
      return "adapter";
    case Learns::kLastLayers:
      return "last layers";
    case Learns::kEverything:
      return "everything";
  }
  return "";
}

std::optional<DType> learns_as(const PupilSettings& settings, int64_t layers, const TensorSpec& spec) {
  const bool learns = settings.learns == Learns::kEverything ||
                      (settings.learns == Learns::kLastLayers && is_from_layer(spec, layers - settings.layers));
  if (!learns) return std::nullopt;
  return trained_dtype(spec, settings.weights);
}

Status Pupil::choose(const std::string& base, const PupilSettings& settings) {
  switch (settings.learns) {
    case Learns::kAdapter: {
      TRY_ASSIGN(adapter_, new_adapter(transformer_, settings.adapter));
      adapter_->base = base;
      TRY(attach_adapter(transformer_, *adapter_));
      parameters_ = train_adapters(transformer_, static_cast<float>(settings.b_rate));
      break;
    }
    case Learns::kLastLayers:
      parameters_ = train_from(transformer_, transformer_.config().num_layers() - settings.layers, settings.weights);
      break;
    case Learns::kEverything:
      parameters_ = train_all(transformer_, settings.weights);
      break;
  }
  return ok_status();
}

Result<std::unique_ptr<Pupil>> Pupil::load(const ModelHandle& model, Runtime& runtime, const PupilSettings& settings) {
  const std::span<const std::shared_ptr<const MappedFile>> files = model.description.files.mapped;
  TRY_ASSIGN(Transformer transformer, load_transformer(model.description));
  auto pupil = std::unique_ptr<Pupil>(new Pupil(std::move(transformer)));
  Transformer& weights = pupil->transformer_;
  // Weights that learn are decoded before the others are packed, an adapter comes to packed ones.
  const bool adapter = settings.learns == Learns::kAdapter;
  if (!adapter) TRY(pupil->choose(model.name(), settings));
  weights.pack(runtime.context(), files, [&, layers = weights.config().num_layers()](const TensorSpec& spec) {
    return learns_as(settings, layers, spec).has_value();
  });
  if (adapter) TRY(pupil->choose(model.name(), settings));
  return pupil;
}

Result<std::unique_ptr<Pupil>> Pupil::hollow(const ModelHandle& model, const PupilSettings& settings) {
  const ModelDescription& description = model.description;
  auto pupil = std::unique_ptr<Pupil>(
      new Pupil(Transformer::hollow(description.transformer, description.family->tensors(description.transformer),
                                    *description.files.tensors, description.files.gguf != nullptr)));
  TRY(pupil->choose(model.name(), settings));
  return pupil;
}

Status Pupil::write(const ModelHandle& model, const Tokenizer& tokenizer, const RunVersion& version) const {
  if (adapter_) {
    return write_adapter(*adapter_, transformer_.table(), "CAUSAL_LM", version.folder / kAdapterFolder);
  }
  std::error_code ignored;
  // Of a run that ended here before, and was killed after.
  std::filesystem::remove_all(version.folder / kModelFolder, ignored);
  TRY_ASSIGN(TemporaryFolder fresh, TemporaryFolder::create(version.folder, "model"));
  TRY_ASSIGN(const ExportWarnings warnings,
             export_hugging_face(model.description, transformer_, &tokenizer, fresh.path(), {.dtype = kWritten}));
  for (const std::string& warning : warnings) log_warning("{}", warning);
  return fresh.commit(version.folder / kModelFolder);
}

Status check_writable(const ModelHandle& model, const Tokenizer& tokenizer, Learns learns) {
  if (learns == Learns::kAdapter) return ok_status();
  TRY(hugging_face_config(model.description, &tokenizer, kWritten));
  return ok_status();
}

}  // namespace linnet
