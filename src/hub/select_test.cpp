#include "hub/select.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

std::vector<RepoFile> files(std::initializer_list<const char*> names) {
  std::vector<RepoFile> list;
  for (const char* name : names) list.push_back({.name = name, .size = 1000});
  return list;
}

std::string chosen(const std::vector<RepoFile>& list, std::string_view selector) {
  const auto selection = select_files(list, selector, "r");
  if (!selection.ok()) return "error: " + selection.error().to_string();
  std::string text;
  for (const size_t i : selection->files) text += (text.empty() ? "" : " ") + list[i].name;
  return text;
}

TEST(Select, QuantsAreReadFromNamesAsPeopleWriteThem) {
  EXPECT_EQ(quant_of("gemma-3-270m-q4_k_m.gguf"), "Q4_K_M");
  EXPECT_EQ(quant_of("SmolLM2-135M-Instruct.Q4_1.gguf"), "Q4_1");
  EXPECT_EQ(quant_of("Phi-3-mini-4k-instruct-q4.gguf"), "Q4");
  EXPECT_EQ(quant_of("Qwen3-4B-UD-Q4_K_XL.gguf"), "UD-Q4_K_XL");
  EXPECT_EQ(quant_of("sub/m-IQ4_XS-00001-of-00003.gguf"), "IQ4_XS");
  EXPECT_EQ(quant_of("ggml-model-f16.gguf"), "F16");
  EXPECT_EQ(quant_of("model_bf16.gguf"), "BF16");
  EXPECT_EQ(quant_of("gpt-oss-20b-mxfp4.gguf"), "MXFP4");
  EXPECT_EQ(quant_of("qwen2.5-0.5b-instruct.gguf"), "");
  EXPECT_EQ(quant_of("q4_0.gguf"), "Q4_0");
  EXPECT_EQ(quant_of("m.safetensors"), "");
  EXPECT_EQ(quant_of(".gguf"), "");
}

TEST(Select, OneQuantOfMany) {
  const auto repo = files({"README.md", "m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m-f16.gguf"});
  EXPECT_EQ(chosen(repo, "q4_k_m"), "m-Q4_K_M.gguf");
  EXPECT_EQ(chosen(repo, "ud-q4_k_m"), "m-UD-Q4_K_M.gguf");
  EXPECT_EQ(chosen(repo, "m-Q8_0.gguf"), "m-Q8_0.gguf");
  const std::string which = chosen(repo, "");
  EXPECT_NE(which.find("holds 3 models"), std::string::npos) << which;
  EXPECT_NE(which.find(":Q8_0"), std::string::npos) << which;
  EXPECT_NE(chosen(repo, "q2_k").find("holds no \"q2_k\""), std::string::npos);
}

TEST(Select, TwoFilesOfOneQuantMustBeNamed) {
  const auto repo = files({"a-Q4_0.gguf", "b-Q4_0.gguf"});
  EXPECT_NE(chosen(repo, "Q4_0").find("fits 2 files"), std::string::npos);
  EXPECT_EQ(chosen(repo, "b-Q4_0.gguf"), "b-Q4_0.gguf");
}

TEST(Select, SplitFilesComeWhole) {
  const auto repo = files({"BF16/m-BF16-00002-of-00002.gguf", "BF16/m-BF16-00001-of-00002.gguf", "m-Q4_0.gguf"});
  EXPECT_EQ(chosen(repo, "bf16"), "BF16/m-BF16-00001-of-00002.gguf BF16/m-BF16-00002-of-00002.gguf");
  EXPECT_EQ(select_files(repo, "bf16", "r")->model, "BF16/m-BF16-00001-of-00002.gguf");
  EXPECT_NE(chosen(files({"m-F16-00002-of-00003.gguf"}), "f16").find("3 parts, and 1"), std::string::npos);
}

TEST(Select, SafetensorsWithWhatBelongsToThem) {
  const auto repo =
      files({".gitattributes", "LICENSE", "config.json", "consolidated.safetensors", "generation_config.json",
             "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
             "onnx/model.onnx", "onnx/config.json", "pytorch_model.bin", "tokenizer.json", "1_Pooling/config.json",
             "modeling_evil.py", "m-Q4_0.gguf"});
  EXPECT_EQ(chosen(repo, ""),
            "1_Pooling/config.json LICENSE config.json generation_config.json model-00001-of-00002.safetensors "
            "model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json");
  EXPECT_EQ(chosen(repo, "q4_0"), "m-Q4_0.gguf");
  EXPECT_NE(chosen(files({"config.json", "model-00001-of-00002.safetensors"}), "").find("cut in 2"), std::string::npos);
  EXPECT_EQ(chosen(files({"config.json", "other.safetensors"}), ""), "config.json other.safetensors");
  EXPECT_EQ(chosen(files({"adapter_config.json", "adapter_model.safetensors"}), ""),
            "adapter_config.json adapter_model.safetensors");
}

TEST(Select, PicklesAndNothingAreRefusedByReason) {
  EXPECT_NE(chosen(files({"config.json", "pytorch_model.bin"}), "").find("pickle"), std::string::npos);
  EXPECT_NE(chosen(files({"pytorch_model.bin"}), "q4_0").find("pickle"), std::string::npos);
  EXPECT_NE(chosen(files({"README.md"}), "").find("neither a GGUF"), std::string::npos);
  EXPECT_NE(chosen({}, "q4_0").find("no GGUF"), std::string::npos);
}

}  // namespace
}  // namespace linnet
