#include "export/quantise.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

std::string chosen(const char* mix, const MixModel& model, const char* name, const Shape& shape = {512, 1024}) {
  const MixChoice choice = choose_format(*find_quant_mix(mix), model, name, shape);
  return std::string(choice.format->name) + (choice.wanted ? " for " + std::string(choice.wanted->name) : "");
}

TEST(QuantMixTest, NamesAreKnownInAnyCase) {
  for (const QuantMix& mix : quant_mixes()) EXPECT_EQ(find_quant_mix(mix.name), &mix);
  EXPECT_EQ(find_quant_mix("q4_k_m")->name, "Q4_K_M");
  EXPECT_EQ(find_quant_mix("Q5_K")->name, "Q5_K_M");
  EXPECT_EQ(find_quant_mix("Q6"), nullptr);
}

// llama.cpp's choices for a model of 32 layers, as its own logs show them.
TEST(QuantMixTest, MoreBitsGoWhereTheyHelp) {
  const MixModel model{.layers = 32, .queries_per_kv_head = 4};
  EXPECT_EQ(chosen("Q4_K_M", model, "output.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "token_embd.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q4_K_M", {.layers = 32, .tied = true}, "token_embd.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.0.attn_v.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.4.attn_v.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.6.ffn_down.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.31.ffn_down.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.31.ffn_up.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q4_K_M", model, "blk.3.attn_qkv.weight"), "Q5_K");
  EXPECT_EQ(chosen("Q4_K_S", model, "blk.3.attn_v.weight"), "Q5_K");
  EXPECT_EQ(chosen("Q4_K_S", model, "blk.4.attn_v.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q5_K_M", model, "blk.2.ffn_down.weight"), "Q6_K");
  EXPECT_EQ(chosen("Q3_K_M", model, "blk.1.attn_output.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q2_K", model, "blk.1.attn_v.weight"), "Q4_K");
  EXPECT_EQ(chosen("Q8_0", model, "output.weight"), "Q8_0");
  EXPECT_EQ(chosen("Q4_0", model, "output.weight"), "Q6_K");
  EXPECT_EQ(chosen("F16", model, "output.weight"), "F16");
  const MixModel mixtral{.layers = 32, .experts = 8, .queries_per_kv_head = 4};
  EXPECT_EQ(chosen("Q4_K_M", mixtral, "blk.9.attn_k.weight"), "Q8_0");
  EXPECT_EQ(chosen("Q4_K_M", mixtral, "blk.9.attn_output.weight"), "Q5_K");
  EXPECT_EQ(chosen("MXFP4", mixtral, "blk.9.ffn_up_exps.weight"), "MXFP4");
  EXPECT_EQ(chosen("MXFP4", mixtral, "blk.9.attn_q.weight"), "Q8_0");
}

// Where columns are known to count, IQ4_NL needs no help in the first layers, and Q4_0 gets some.
TEST(QuantMixTest, ImportanceChangesTheFirstLayers) {
  const MixModel plain{.layers = 32, .queries_per_kv_head = 3};
  const MixModel calibrated{.layers = 32, .queries_per_kv_head = 3, .calibrated = true};
  EXPECT_EQ(chosen("IQ4_NL", plain, "blk.0.ffn_down.weight"), "Q5_K");
  EXPECT_EQ(chosen("IQ4_NL", calibrated, "blk.0.ffn_down.weight"), "IQ4_NL");
  EXPECT_EQ(chosen("Q4_0", plain, "blk.0.ffn_down.weight"), "Q4_0");
  EXPECT_EQ(chosen("Q4_0", calibrated, "blk.0.ffn_down.weight"), "Q4_1");
  EXPECT_EQ(chosen("Q5_0", calibrated, "blk.3.ffn_down.weight"), "Q5_1");
  EXPECT_EQ(chosen("Q4_0", calibrated, "blk.4.ffn_down.weight"), "Q4_0");
}

TEST(QuantMixTest, NarrowRowsTakeNoMoreBitsThanTheMixWanted) {
  const MixModel model{.layers = 30, .queries_per_kv_head = 3};
  const auto narrow = [&](const char* mix, int64_t width) {
    return chosen(mix, model, "blk.4.ffn_up.weight", Shape{512, width});
  };
  EXPECT_EQ(narrow("Q4_K_M", 576), "IQ4_NL for Q4_K");
  EXPECT_EQ(narrow("Q5_K_M", 576), "Q5_0 for Q5_K");
  EXPECT_EQ(narrow("Q6_K", 576), "Q5_1 for Q6_K");
  EXPECT_EQ(narrow("Q8_0", 576), "Q8_0");
  EXPECT_EQ(narrow("Q8_0", 40), "F16 for Q8_0");
}

template <class T>
T value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

class QuantiseTest : public FolderTest {
 protected:
  const fs::path golden_ = fs::path(LINNET_SOURCE_DIR) / "tests/golden/models/llama";

  Result<QuantiseReport> run(const fs::path& model, const std::string& out, const char* mix, int threads = 2,
                             bool again = false) {
    const ModelDescription description = value(describe_model(model));
    std::optional<Transformer> weights;
    if (!description.files.gguf) weights.emplace(value(load_transformer(description)));
    ThreadPool pool(threads);
    return quantise(description, weights ? &*weights : nullptr, nullptr, folder_ / out,
                    {.mix = find_quant_mix(mix), .again = again}, pool, cancel_, {});
  }

  // The golden model as a GGUF of F32, with `number` in the place of one weight.
  fs::path model_with(float number) {
    value(run(golden_, "plain.gguf", "F32"));
    const auto plain = value(Gguf::open(folder_ / "plain.gguf"));
    const StoredTensor& tensor = *value(plain->tensors().get("blk.0.ffn_up.weight"));
    std::string bytes = value(read_file(folder_ / "plain.gguf"));
    std::memcpy(bytes.data() + tensor.offset + 4 * sizeof number, &number, sizeof number);
    value(write_file(folder_ / "one.gguf", bytes));
    return folder_ / "one.gguf";
  }

  // The golden model's numbers as a GGUF, quantised with `options`.
  Result<QuantiseReport> run_with(const std::string& out, const QuantiseOptions& options) {
    if (!fs::exists(folder_ / "plain.gguf")) value(run(golden_, "plain.gguf", "F32"));
    const ModelDescription description = value(describe_model(folder_ / "plain.gguf"));
    ThreadPool pool(2);
    return quantise(description, nullptr, nullptr, folder_ / out, options, pool, cancel_, {});
  }

  CancelToken cancel_;
};

// What is written is what the report says, and as near to the numbers as it says.
TEST_F(QuantiseTest, TheReportIsTrue) {
  value(run(golden_, "plain.gguf", "F32"));
  const QuantiseReport report = value(run(golden_, "small.gguf", "Q8_0"));
  const auto plain = value(Gguf::open(folder_ / "plain.gguf"));
  const auto small = value(Gguf::open(folder_ / "small.gguf"));
  EXPECT_EQ(small->tensors().all().size(), plain->tensors().all().size());
  EXPECT_EQ(small->tensors().total_bytes(), report.bytes);
  size_t blocks = 0;
  for (const QuantisedTensor& told : report.tensors) {
    const StoredTensor& tensor = *value(small->tensors().get(told.name));
    EXPECT_EQ(tensor.format, told.to) << told.name;
    const Tensor before = to_f32(*value(plain->tensors().get(told.name)));
    const Tensor after = to_f32(tensor);
    double lost = 0;
    double all = 0;
    for (int64_t i = 0; i < before.elements(); ++i) {
      lost += std::pow(double{after.data<float>()[i]} - before.data<float>()[i], 2);
      all += std::pow(double{before.data<float>()[i]}, 2);
    }
    EXPECT_NEAR(told.error, std::sqrt(lost / all), 1e-12) << told.name;
    EXPECT_LT(told.error, 0.01) << told.name;
    blocks += !told.to->is_plain();
  }
  EXPECT_GT(blocks, 0u);
  EXPECT_TRUE(load_transformer(value(describe_model(folder_ / "small.gguf"))).ok());
}

// Columns that count more lose less, and the report says so.
TEST_F(QuantiseTest, ImportanceMovesTheError) {
  Importance importance;
  const auto weigh = [&](const char* name, int64_t width) {
    std::vector<float> columns(static_cast<size_t>(width), 1.0f);
    for (int64_t c = 0; c < width; c += 4) columns[static_cast<size_t>(c)] = 100;
    importance.add(name, columns);
  };
  weigh("blk.0.attn_q.weight", 32);
  const QuantMix* mix = find_quant_mix("Q4_0");
  const auto error_of = [](const QuantiseReport& report, const char* name) {
    const auto found = std::find_if(report.tensors.begin(), report.tensors.end(),
                                    [&](const QuantisedTensor& t) { return t.name == name; });
    return *found;
  };
  const QuantiseReport plain = value(run_with("a.gguf", {.mix = mix}));
  const QuantiseReport weighed = value(run_with("b.gguf", {.mix = mix, .importance = &importance}));
  const QuantiseReport searched = value(run_with("c.gguf", {.mix = mix, .importance = &importance, .search = true}));
  const QuantisedTensor before = error_of(plain, "blk.0.attn_q.weight");
  const QuantisedTensor after = error_of(weighed, "blk.0.attn_q.weight");
  const QuantisedTensor best = error_of(searched, "blk.0.attn_q.weight");
  EXPECT_FALSE(before.output_error);
  ASSERT_TRUE(after.output_error && best.output_error);
  EXPECT_LT(*after.output_error, after.error);
  EXPECT_LT(*best.output_error, *after.output_error);
  // Nothing is known of the others.
  EXPECT_FALSE(error_of(weighed, "blk.1.attn_q.weight").output_error);
  EXPECT_EQ(error_of(weighed, "blk.1.attn_q.weight").error, error_of(plain, "blk.1.attn_q.weight").error);
  EXPECT_LT(error_of(searched, "blk.1.attn_q.weight").error, error_of(plain, "blk.1.attn_q.weight").error);
}

TEST_F(QuantiseTest, BitsAreMetAndSpent) {
  double before = INFINITY;
  for (const double bits : {9.0, 10.0, 12.0}) {
    const QuantiseReport report = value(run_with("small.gguf", {.bits = bits}));
    EXPECT_LE(report.bits_per_weight(), bits);
    EXPECT_GT(report.bits_per_weight(), bits - 0.6);
    double lost = 0;
    for (const QuantisedTensor& t : report.tensors) lost += t.error * t.error;
    EXPECT_LT(lost, before);
    before = lost;
    EXPECT_FALSE(value(Gguf::open(folder_ / "small.gguf"))->metadata().has("general.file_type"));
  }
  const auto too_few = run_with("none.gguf", {.bits = 2});
  ASSERT_FALSE(too_few.ok());
  EXPECT_NE(too_few.error().to_string().find("2 bits per weight are too few"), std::string::npos)
      << too_few.error().to_string();
  EXPECT_FALSE(fs::exists(folder_ / "none.gguf"));
}

TEST_F(QuantiseTest, ThreadsChangeNothing) {
  value(run(golden_, "one.gguf", "Q4_K_M", 1));
  value(run(golden_, "three.gguf", "Q4_K_M", 3));
  EXPECT_EQ(value(read_file(folder_ / "one.gguf")), value(read_file(folder_ / "three.gguf")));
}

TEST_F(QuantiseTest, AGgufKeepsItsMetadataAndIsNotQuantisedTwiceUnasked) {
  value(run(golden_, "plain.gguf", "F16"));
  value(run(folder_ / "plain.gguf", "small.gguf", "Q8_0"));
  value(run(golden_, "direct.gguf", "Q8_0"));
  const auto small = value(Gguf::open(folder_ / "small.gguf"));
  const auto plain = value(Gguf::open(folder_ / "plain.gguf"));
  for (const GgufEntry& entry : plain->metadata().entries()) EXPECT_TRUE(small->metadata().has(entry.key)) << entry.key;
  EXPECT_EQ(value(small->metadata().integer("general.file_type", 0, 100)), 7);
  const auto twice = run(folder_ / "small.gguf", "twice.gguf", "Q4_0");
  ASSERT_FALSE(twice.ok());
  EXPECT_NE(twice.error().message.find("is quantised already, as Q8_0"), std::string::npos)
      << twice.error().to_string();
  EXPECT_FALSE(fs::exists(folder_ / "twice.gguf"));
  EXPECT_TRUE(run(folder_ / "small.gguf", "twice.gguf", "Q4_0", 2, true).ok());
}

TEST_F(QuantiseTest, ANumberThatIsNotFiniteIsNamed) {
  const fs::path bad = model_with(NAN);
  const auto failed = run(bad, "out.gguf", "Q8_0");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().to_string(), bad.string() + ": tensor blk.0.ffn_up.weight: number 4 is nan");
  EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
}

// What would be read back as infinite is not written.
TEST_F(QuantiseTest, ANumberThatAFormatCannotHoldIsNamed) {
  const fs::path large = model_with(-1e20f);
  for (const QuantMix& mix : quant_mixes()) {
    const auto written = run(large, "out.gguf", std::string(mix.name).c_str());
    const std::string_view name = mix.name;
    if (name == "F32" || name == "BF16" || name == "MXFP4") {
      ASSERT_TRUE(written.ok()) << name;
      EXPECT_TRUE(load_transformer(value(describe_model(folder_ / "out.gguf"))).ok()) << name;
      fs::remove(folder_ / "out.gguf");
      continue;
    }
    ASSERT_FALSE(written.ok()) << name;
    EXPECT_TRUE(written.error().to_string().starts_with(
        large.string() + ": tensor blk.0.ffn_up.weight: its largest number, -1e+20, is beyond what "))
        << written.error().to_string();
    EXPECT_EQ(written.error().hint, "take a wider type: --to BF16 or F32");
    EXPECT_FALSE(fs::exists(folder_ / "out.gguf")) << name;
  }
}

TEST_F(QuantiseTest, StoppedItLeavesNothing) {
  cancel_.cancel();
  const auto stopped = run(golden_, "out.gguf", "Q8_0");
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace linnet
