// Folders as they are downloaded, and what a person is told when one is not a model that Linnet can run.
#include "formats/model_files.hpp"

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "formats/hugging_face.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

// A safetensors file with one-byte tensors of these names.
std::string tensors_of(const std::vector<std::string>& names, const std::string& dtype = "U8") {
  Json header = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    header[names[i]] = {{"dtype", dtype}, {"shape", {1}}, {"data_offsets", {i, i + 1}}};
  }
  const std::string json = header.dump();
  const uint64_t size = json.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + json + std::string(names.size(), '\1');
}

std::string empty_gguf() {
  std::string text("GGUF\3\0\0\0", 8);
  return text + std::string(16, '\0');
}

class ModelFolder : public FolderTest {
 protected:
  void put(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file(folder_ / name, text).ok());
  }
  std::string error(const fs::path& path) const {
    const auto files = open_model_files(path);
    return files.ok() ? "opened" : files.error().to_string();
  }
  std::string error() const { return error(folder_); }
};

TEST_F(ModelFolder, HuggingFaceFolder) {
  put("config.json", R"({"model_type":"llama","eos_token_id":2})");
  put("generation_config.json", R"({"eos_token_id":[7,8],"temperature":0.6})");
  put("tokenizer_config.json", R"({"chat_template":"old","bos_token":"<s>"})");
  put("tokenizer.json", "{}");
  put("chat_template.jinja", "new");
  put("additional_chat_templates/tool_use.jinja", "tools");
  put("1_Pooling/config.json", "{}");
  put("model.safetensors", tensors_of({"model.norm.weight"}));
  put("expected.safetensors", tensors_of({"logits"}));
  put("pytorch_model.bin", "PK\x03\x04");  // beside safetensors it does not matter
  const auto files = open_model_files(folder_);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_EQ(files->kind, ModelFiles::Kind::kHuggingFace);
  EXPECT_EQ(files->gguf, nullptr);
  EXPECT_NE(files->tensors->find("model.norm.weight"), nullptr);
  EXPECT_EQ((*files->config)["model_type"], "llama");
  EXPECT_EQ((*files->tokenizer_config)["bos_token"], "<s>");
  EXPECT_EQ(files->eos_token_ids, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(files->chat_template, "new");
  EXPECT_EQ(files->named_chat_templates.at("tool_use"), "tools");
  EXPECT_TRUE(files->tokenizer_json.has_value());
  EXPECT_FALSE(files->tokenizer_model.has_value());
  EXPECT_TRUE(files->file("1_Pooling/config.json").has_value());
  EXPECT_FALSE(files->file("vocab.txt").has_value());
  EXPECT_TRUE(open_model_files(folder_ / "model.safetensors").ok());
}

TEST_F(ModelFolder, ShardsByIndexOrByOneOfThem) {
  put("config.json", "{}");
  put("model-00001-of-00002.safetensors", tensors_of({"a"}));
  put("model-00002-of-00002.safetensors", tensors_of({"b"}));
  put("model.safetensors.index.json",
      R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  for (const fs::path& path :
       {folder_, folder_ / "model.safetensors.index.json", folder_ / "model-00002-of-00002.safetensors"}) {
    const auto files = open_model_files(path);
    ASSERT_TRUE(files.ok()) << files.error().to_string();
    EXPECT_EQ(files->tensors->all().size(), 2U);
    EXPECT_EQ(files->folder, folder_);
  }
}

TEST_F(ModelFolder, MultimodalIsReadAsText) {
  put("config.json",
      R"({"architectures":["G"],"eos_token_id":1,"text_config":{"model_type":"gemma3_text","hidden_size":8},)"
      R"("vision_config":{"hidden_size":9}})");
  const struct {
    const char* name;
    std::vector<std::string> tensors;
  } kSpellings[] = {
      {"transformers 4",
       {"language_model.model.norm.weight", "language_model.lm_head.weight", "vision_tower.x",
        "multi_modal_projector.y"}},
      {"transformers 5",
       {"model.language_model.norm.weight", "lm_head.weight", "model.vision_tower.x", "model.projector.y"}},
      {"no prefix", {"model.norm.weight", "lm_head.weight", "visual.x", "visual.y"}}};
  for (const auto& spelling : kSpellings) {
    put("model.safetensors", tensors_of(spelling.tensors));
    const auto files = open_model_files(folder_);
    ASSERT_TRUE(files.ok()) << spelling.name << files.error().to_string();
    EXPECT_NE(files->tensors->find("model.norm.weight"), nullptr) << spelling.name;
    EXPECT_NE(files->tensors->find("lm_head.weight"), nullptr) << spelling.name;
    EXPECT_EQ(files->tensors->all().size(), 2U) << spelling.name;
    EXPECT_EQ(files->tensors_left_out, 2U) << spelling.name;
    EXPECT_EQ((*files->config)["hidden_size"], 8);
    EXPECT_EQ((*files->config)["architectures"][0], "G");
    EXPECT_FALSE(files->config->contains("vision_config"));
    EXPECT_EQ(files->eos_token_ids, std::vector<int64_t>{1});
  }
}

TEST_F(ModelFolder, NamedTemplatesOfTokenizerConfig) {
  put("config.json", "{}");
  put("model.safetensors", tensors_of({"a"}));
  put("tokenizer_config.json",
      R"({"chat_template":[{"name":"default","template":"d"},{"name":"rag","template":"r"}]})");
  const auto files = open_model_files(folder_);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_EQ(files->chat_template, "d");
  EXPECT_EQ(files->named_chat_templates.at("rag"), "r");
  put("tokenizer_config.json", R"({"chat_template":[{"name":"default"}]})");
  EXPECT_NE(error().find("\"chat_template\" must be a string or a list"), std::string::npos);
}

TEST_F(ModelFolder, GgufAloneAndSeveral) {
  put("a.gguf", empty_gguf());
  const auto files = open_model_files(folder_);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_EQ(files->kind, ModelFiles::Kind::kGguf);
  EXPECT_TRUE(open_model_files(folder_ / "a.gguf").ok());
  fs::copy(folder_ / "a.gguf", folder_ / "blob");  // a content-addressed store has no extensions
  EXPECT_TRUE(open_model_files(folder_ / "blob").ok());
  put("b.gguf", empty_gguf());
  EXPECT_NE(error().find("the folder holds 2 GGUF files: a.gguf, b.gguf\n  name the one that you mean"),
            std::string::npos);
}

TEST_F(ModelFolder, RefusesPicklesByName) {
  put("config.json", "{}");
  put("pytorch_model.bin", "x");
  EXPECT_NE(error().find("pytorch_model.bin: is a pickle of PyTorch: loading one can run any program"),
            std::string::npos);
  for (const char* name : {"m.bin", "m.pt", "m.pth", "m.ckpt"}) {
    put(name, "x");
    EXPECT_NE(error(folder_ / name).find("is a pickle of PyTorch"), std::string::npos) << name;
  }
  put("disguised.dat", "\x80\x02}q");
  EXPECT_NE(error(folder_ / "disguised.dat").find("is a pickle of PyTorch"), std::string::npos);
  put("model.onnx", "x");
  EXPECT_NE(error(folder_ / "model.onnx").find("is a file of ONNX, which Linnet does not read"), std::string::npos);
}

TEST_F(ModelFolder, RefusesQuantisationsByName) {
  put("model.safetensors", tensors_of({"a"}));
  const struct {
    const char* config;
    const char* method;
  } kConfigs[] = {
      {R"({"quantization_config":{"quant_method":"gptq","bits":4}})", "GPTQ"},
      {R"({"quantization_config":{"quant_method":"awq"}})", "AWQ"},
      {R"({"quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true}})", "bitsandbytes"},
      {R"({"quantization_config":{"load_in_8bit":true}})", "bitsandbytes"},
      {R"({"quantization_config":{"quant_method":"aqlm"}})", "aqlm"},
      {R"({"quantization_config":{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"type":"int","num_bits":4}}}}})",
       "compressed-tensors"},
      {R"({"quantization_config":{}})", "an unnamed method"},
      {R"({"quantization":{"bits":4,"group_size":64}})", "MLX"},
      {R"({"text_config":{"quantization_config":{"quant_method":"awq"}}})", "AWQ"}};
  for (const auto& row : kConfigs) {
    put("config.json", row.config);
    EXPECT_NE(error().find(std::string("the weights are quantised with ") + row.method), std::string::npos)
        << row.config << error();
    EXPECT_NE(error().find("or as GGUF"), std::string::npos);
  }
  for (
      const char* config :
      {R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})",
       R"({"quantization_config":null})", R"({"quantization_config":{"quant_method":"mxfp4"}})",
       R"({"quantization_config":{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"type":"float","num_bits":8}}}}})"}) {
    put("config.json", config);
    EXPECT_EQ(error(), "opened") << config;
  }
  put("config.json", R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[0,128]}})");
  EXPECT_NE(error().find("weight_block_size must be two positive integers"), std::string::npos);
}

TEST_F(ModelFolder, RefusesPackedWeightsByTensorNames) {
  put("config.json", "{}");
  const std::pair<const char*, const char*> kNames[] = {{"l.g_idx", "GPTQ"},
                                                        {"l.qweight", "GPTQ or AWQ"},
                                                        {"l.weight.absmax", "bitsandbytes"},
                                                        {"l.SCB", "bitsandbytes"},
                                                        {"l.weight_packed", "compressed-tensors"}};
  for (const auto& [name, method] : kNames) {
    put("model.safetensors", tensors_of({"l.weight", name}));
    EXPECT_NE(error().find(std::string("tensor ") + name + ": the weights are quantised with " + method),
              std::string::npos)
        << error();
  }
}

TEST_F(ModelFolder, RefusesWhatIsNoModel) {
  EXPECT_NE(error().find("no model here"), std::string::npos);
  EXPECT_NE(error(folder_ / "absent").find("no such file or folder"), std::string::npos);
  put("notes.txt", "hello");
  EXPECT_NE(error(folder_ / "notes.txt").find("is no model file"), std::string::npos);
  put("model.safetensors", tensors_of({"a"}));
  EXPECT_NE(error().find("config.json is missing beside the weights"), std::string::npos);
  put("adapter_config.json", "{}");
  EXPECT_NE(error().find("this is a LoRA adapter, not a model"), std::string::npos);
  put("config.json", "[1]");
  EXPECT_NE(error().find("config.json: expected an object, got array"), std::string::npos);
  put("config.json", R"({"eos_token_id":"two"})");
  EXPECT_NE(error().find("field \"eos_token_id\" must be an integer"), std::string::npos);
  put("config.json", R"({"eos_token_id":[1,-2]})");
  EXPECT_NE(error().find("field \"eos_token_id\" must be a token id or a list of them"), std::string::npos);
  put("config.json", std::string(100'000, '['));
  EXPECT_NE(error().find("config.json: "), std::string::npos);
}

TEST(ModelFiles, OpensEveryReferenceModel) {
  const char* shared = std::getenv("LINNET_SHARED");
  const fs::path folder = fs::path(shared ? shared : LINNET_SOURCE_DIR "/../shared") / "reference";
  if (!fs::exists(folder)) GTEST_SKIP() << "../shared absent";
  int opened = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    const auto files = open_model_files(entry.path());
    ASSERT_TRUE(files.ok()) << files.error().to_string();
    EXPECT_TRUE(files->config->contains("model_type"));
    ++opened;
  }
  EXPECT_GE(opened, 15);
}

}  // namespace
}  // namespace linnet
