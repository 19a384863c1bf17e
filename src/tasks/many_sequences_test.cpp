// Many sequences in one step, fuzzed: whatever stands beside a row, however its sequence was cut into steps and
// whatever it shares with others, it has the bits that its sequence has alone, read in one step by one thread.
#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <map>

#include "base/json.hpp"
#include "base/random.hpp"
#include "kernels/registry.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

// Beyond a part of the keys (kPartTokens), so that the parts of a long sequence are joined.
constexpr int64_t kMostTokens = 640;
constexpr int64_t kWindow = 70;  // ends inside of a block

// The golden model's family, in a size that every format and every kernel takes.
TransformerConfig config_like(const ModelDescription& golden) {
  Json json = *golden.config;
  json["hidden_size"] = 64;
  json["head_dim"] = 16;
  json["intermediate_size"] = 96;
  json["moe_intermediate_size"] = 32;
  json["max_position_embeddings"] = kMostTokens;
  if (json.contains("layer_types")) json["sliding_window"] = kWindow;
  const JsonObject object = value(JsonObject::of(json, "config.json"));
  return value(golden.family->read_config(object));
}

StoredTensor random_tensor(const TensorSpec& spec, const std::string& name, const QuantFormat& format, Random& random) {
  const Shape shape = stored_shape(spec);
  std::vector<float> numbers(static_cast<size_t>(shape.elements()));
  const bool vector = spec.shape.rank() == 1;
  const float size = vector ? 0.3f : 1.5f / std::sqrt(static_cast<float>(spec.shape[1]));
  for (float& x : numbers) x = random.normal() * size + (vector && !spec.bias ? 1.0f : 0.0f);
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(format.bytes_of(shape.elements())));
  format.encode(numbers.data(), nullptr, bytes->data(), shape.elements());
  StoredTensor tensor;
  static_cast<ElementType&>(tensor) = ElementType::of(format);
  tensor.name = name;
  tensor.shape = shape;
  tensor.bytes = *bytes;
  tensor.owner = bytes;
  tensor.file = "random weights";
  return tensor;
}

// Random weights, each matrix in a format of its own.
Transformer random_model(const ModelDescription& golden, Random& random) {
  constexpr QuantType kFormats[] = {QuantType::kQ4_0, QuantType::kQ4_1, QuantType::kQ8_0, QuantType::kF16,
                                    QuantType::kF32};
  const TransformerConfig config = config_like(golden);
  const std::vector<TensorSpec> table = golden.family->tensors(config);
  std::vector<StoredTensor> tensors;
  for (const TensorSpec& spec : table) {
    const int64_t parts = spec.stacked ? 1 : std::max<int64_t>(spec.experts, 1);
    const QuantFormat& format =
        quant_format(spec.shape.rank() == 1 ? QuantType::kF32 : kFormats[random.below(std::size(kFormats))]);
    for (int64_t part = 0; part < parts; ++part) {
      tensors.push_back(random_tensor(spec, name_of_expert(spec.name, part), format, random));
    }
  }
  return value(Transformer::load(config, table, value(TensorSource::of(std::move(tensors))), false));
}

std::vector<Isa> isas_of_this_machine() {
  std::vector<Isa> isas;
  for (const Isa isa : all_isas()) {
    if (machine_has(isa)) isas.push_back(isa);
  }
  return isas;
}

// What one schedule runs on.
struct Setting {
  Isa isa;
  DType kv;
  int threads;

  const KernelTable& kernels() const { return isa == Isa::kBaseline ? reference_kernels() : kernel_table(isa); }
  std::string name() const {
    return std::string(isa_name(isa)) + ", cache of " + std::string(dtype_name(kv)) + ", " + std::to_string(threads) +
           " threads";
  }
};

template <class T>
const T& any_of(const std::vector<T>& values, Random& random) {
  return values[random.below(values.size())];
}

Setting random_setting(Random& random) {
  static const std::vector<Isa> isas = isas_of_this_machine();
  Setting setting{any_of(isas, random), DType::kF32, 1 + static_cast<int>(random.below(4))};
  std::vector<DType> caches{DType::kF32, DType::kF16, DType::kI8};
  if (setting.kernels().attention.to_pairs) caches.push_back(DType::kBF16);
  if (setting.kernels().attention.to_words) caches.push_back(DType::kI16);
  setting.kv = any_of(caches, random);
  return setting;
}

struct Text {
  KvCache::SequenceId id;
  std::vector<int32_t> tokens = {};
  std::map<int64_t, std::vector<float>> logits = {};  // of the positions where they were asked for

  int64_t length() const { return static_cast<int64_t>(tokens.size()); }
};

// Texts that begin, are read in pieces, go on token by token, branch, go back and end, all in one cache.
class Schedule {
 public:
  Schedule(const Transformer& model, const Setting& setting, Random& random)
      : model_(model), setting_(setting), random_(random) {}

  void run() {
    constexpr int kSteps = 20;
    for (int i = 0; i < kSteps && !testing::Test::HasFailure(); ++i) {
      change_texts();
      step();
    }
    while (!texts_.empty() && !testing::Test::HasFailure()) end(texts_.size() - 1);
  }

 private:
  int64_t below(int64_t bound) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(bound))); }

  void change_texts() {
    constexpr size_t kMostTexts = 7;
    const int64_t what = below(8);
    if (texts_.empty() || (what < 3 && texts_.size() < kMostTexts)) {
      texts_.push_back({cache_.add_sequence()});
      return;
    }
    const size_t one = random_.below(texts_.size());
    if (what == 3 && texts_.size() < kMostTexts) branch(texts_[one]);
    if (what == 4) go_back(texts_[one]);
    if (what == 5) end(one);
  }

  void branch(const Text& from) {
    const int64_t length = below(from.length() + 1);
    Text to{cache_.branch(from.id, length)};
    to.tokens.assign(from.tokens.begin(), from.tokens.begin() + length);
    texts_.push_back(std::move(to));  // `from` is gone
  }

  // The numbers of what is forgotten are compared first.
  void go_back(Text& text) {
    expect_the_bits_of_one_alone(text);
    const int64_t length = below(text.length() + 1);
    cache_.truncate(text.id, length);
    text.tokens.resize(static_cast<size_t>(length));
    text.logits.clear();
  }

  void end(size_t index) {
    expect_the_bits_of_one_alone(texts_[index]);
    cache_.remove_sequence(texts_[index].id);
    texts_.erase(texts_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // Mostly a token, or a piece of any size up to a block and a half; now and then as much as fits.
  int64_t random_rows(const Text& text) {
    const int64_t room = kMostTokens - text.length();
    const int64_t what = below(10);
    if (what == 0) return 0;
    if (what < 6) return std::min<int64_t>(room, 1);
    return std::min(room, what == 9 ? 1 + below(kMostTokens / 2) : 1 + below(kBlockTokens * 3 / 2));
  }

  void step() {
    shuffle(texts_, random_);
    Batch batch;
    std::vector<std::pair<Text*, int64_t>> wanted;  // a text and a position for each of batch.logit_rows
    for (Text& text : texts_) {
      const int64_t rows = random_rows(text);
      if (rows == 0) continue;
      batch.sequences.push_back(
          {.row_begin = batch.rows(), .rows = rows, .position = text.length(), .cache_id = text.id});
      for (int64_t r = 0; r < rows; ++r) {
        if (r + 1 == rows || below(8) == 0) {
          batch.logit_rows.push_back(static_cast<int32_t>(batch.rows()));
          wanted.emplace_back(&text, text.length());
        }
        text.tokens.push_back(static_cast<int32_t>(below(model_.config().vocab_size)));
        batch.tokens.push_back(text.tokens.back());
      }
    }
    if (batch.tokens.empty()) return;
    const ForwardOutput out = value(model_.forward(ctx_, batch, &cache_));
    for (size_t i = 0; i < wanted.size(); ++i) {
      const auto row = out.logits.rows(static_cast<int64_t>(i), 1).span<float>();
      wanted[i].first->logits[wanted[i].second].assign(row.begin(), row.end());
    }
  }

  void expect_the_bits_of_one_alone(const Text& text) {
    if (text.logits.empty()) return;
    ThreadPool pool(1);
    Context ctx(pool, setting_.kernels());
    KvCache cache(model_.kv_shape(setting_.kv), kCacheBytes);
    Batch batch{.tokens = text.tokens,
                .sequences = {{.rows = text.length(), .cache_id = cache.add_sequence()}},
                .logit_rows = {}};
    for (const auto& [position, logits] : text.logits) batch.logit_rows.push_back(static_cast<int32_t>(position));
    const ForwardOutput alone = value(model_.forward(ctx, batch, &cache));
    int64_t row = 0;
    for (const auto& [position, logits] : text.logits) {
      const auto want = alone.logits.rows(row++, 1).span<float>();
      const bool same = std::equal(logits.begin(), logits.end(), want.begin(), want.end(), [](float a, float b) {
        return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
      });
      ASSERT_TRUE(same) << "position " << position << " of " << text.length();
    }
  }

  static constexpr int64_t kCacheBytes = int64_t{1} << 28;

  const Transformer& model_;
  const Setting setting_;
  Random& random_;
  ThreadPool pool_{setting_.threads};
  Context ctx_{pool_, setting_.kernels()};
  KvCache cache_{model_.kv_shape(setting_.kv), kCacheBytes};
  std::vector<Text> texts_;
};

class ManySequences : public testing::TestWithParam<std::string> {};

TEST_P(ManySequences, ARowHasTheBitsThatItHasAlone) {
  constexpr uint64_t kSchedules = 3;
  const ModelDescription golden = value(describe_model(golden_dir() / "models" / GetParam()));
  for (uint64_t seed = 1; seed <= kSchedules && !HasFailure(); ++seed) {
    Random random(seed);
    Transformer model = random_model(golden, random);
    const Setting setting = random_setting(random);
    SCOPED_TRACE("schedule " + std::to_string(seed) + ": " + setting.name());
    ThreadPool pool(1);
    Context ctx(pool, setting.kernels());
    model.pack(ctx, {});
    Schedule(model, setting, random).run();
  }
}

// Dense, with sliding windows and soft caps, with norms of queries and keys, mixtures of experts, with sinks.
INSTANTIATE_TEST_SUITE_P(Models, ManySequences, testing::Values("llama", "gemma2", "gemma3", "qwen3-moe", "gpt-oss"),
                         [](const auto& param) { return test_name(param.param); });

}  // namespace
}  // namespace linnet
