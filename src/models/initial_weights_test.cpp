#include "models/initial_weights.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "base/folder_testing.hpp"
#include "formats/safetensors.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "models/weights_to_write.hpp"

namespace linnet {
namespace {

class InitialWeightsTest : public FolderTest, public testing::WithParamInterface<std::string> {};

Transformer initial(const ModelDescription& model, uint64_t seed) {
  return value(initial_transformer(model.transformer, model.family->tensors(model.transformer), seed));
}

// Every tensor that a file of the model would hold.
std::vector<StoredTensor> written(const Transformer& model, const std::filesystem::path& path) {
  EXPECT_TRUE(write_safetensors(path, weights_to_write(model, DType::kF32)).ok());
  return value(open_safetensors(path)).tensors;
}

TEST_P(InitialWeightsTest, HaveTheDeviationsOfTheirRolesAndGoToAFileAndBack) {
  const ModelDescription model = value(describe_model(golden_dir() / "models" / GetParam()));
  const Transformer fresh = initial(model, 1);
  const std::vector<StoredTensor> tensors = written(fresh, folder_ / "model.safetensors");
  const TensorSource recorded = *model.files.tensors;
  EXPECT_EQ(tensors.size(), recorded.all().size());
  for (const StoredTensor& tensor : tensors) {
    EXPECT_EQ(value(recorded.get(tensor.name))->shape, tensor.shape) << tensor.name;
    const Tensor numbers = to_f32(tensor);
    double squares = 0;
    for (const float x : numbers.span<float>()) squares += double{x} * x;
    const double rms = std::sqrt(squares / static_cast<double>(numbers.elements()));
    if (tensor.shape.rank() == 1) {
      EXPECT_TRUE(rms == 0 || rms == 1) << tensor.name;
      continue;
    }
    const bool residual = tensor.name.find("o_proj") != std::string::npos ||
                          tensor.name.find("down_proj") != std::string::npos ||
                          tensor.name.find("c_proj") != std::string::npos;
    const double layers = residual ? 2.0 * static_cast<double>(model.transformer.num_layers()) : 1;
    EXPECT_NEAR(rms / (0.02 / std::sqrt(layers)), 1, 0.15) << tensor.name;
  }
  const Transformer again = value(Transformer::load(model.transformer, model.family->tensors(model.transformer),
                                                    value(TensorSource::of(tensors)), false));
  EXPECT_EQ(written(again, folder_ / "again.safetensors").size(), tensors.size());
}

TEST_P(InitialWeightsTest, HangOnTheSeedAlone) {
  const ModelDescription model = value(describe_model(golden_dir() / "models" / GetParam()));
  const auto first = [&](uint64_t seed, const char* name) {
    const std::vector<StoredTensor> tensors = written(initial(model, seed), folder_ / name);
    for (const StoredTensor& tensor : tensors) {
      if (tensor.shape.rank() != 2) continue;
      const Tensor numbers = to_f32(tensor);
      return std::vector<float>(numbers.span<float>().begin(), numbers.span<float>().end());
    }
    return std::vector<float>();
  };
  EXPECT_EQ(first(1, "a"), first(1, "b"));
  EXPECT_NE(first(1, "a"), first(2, "b"));
}

INSTANTIATE_TEST_SUITE_P(Shapes, InitialWeightsTest, testing::Values("llama", "gpt2"));

}  // namespace
}  // namespace linnet
