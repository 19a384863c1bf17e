#include "text/gguf_pre_tokenizers.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "text/scanners.hpp"

namespace linnet {

namespace {

// clang-format off
// (Characters that a normal form would replace are written by number.)
constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kDigits3 = R"(\p{N}{1,3})";
constexpr std::string_view kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeek3 = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCjk = "[一-龥\u3040-ゟ゠-ヿ]+";
constexpr std::string_view kDeepSeekLetters = R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\x{1F5F}-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌ\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
// llama.cpp takes any space beyond ASCII out of a text before it looks for characters by their numbers.
constexpr std::string_view kDeepSeekCjk = R"([一-龥ࠀ-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-一가-\x{D7FF}]+)";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
// clang-format on

struct Entry {
  std::string_view name;
  std::vector<std::string_view> patterns;
  bool ignore_merges = false;
  bool add_bos = false;
};

const std::vector<Entry>& table() {
  static const std::vector<Entry> entries = [] {
    std::vector<Entry> made;
    const auto add = [&](std::initializer_list<std::string_view> names, const std::vector<std::string_view>& patterns,
                         bool ignore_merges = false, bool add_bos = false) {
      for (const std::string_view name : names) made.push_back({name, patterns, ignore_merges, add_bos});
    };
    add({"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "jina-es", "jina-de", "jina-v2-es",
         "jina-v2-de", "gigachat", "a.x-4.0", "mellum", "modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe",
         "exaone4"},
        {kGpt2Pattern});
    add({"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
        {kLlama3}, true, true);
    add({"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {kLlama3});
    add({"qwen2", "stablelm2", "hunyuan", "solar-open", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "grok-2",
         "bailingmoe", "bailingmoe2", "llada-moe"},
        {kQwen2});
    add({"qwen35"}, {kQwen35});
    add({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
        {kDigit, kGpt2Pattern});
    add({"tekken"}, {kTekken}, true, true);
    add({"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {kGpt4o});
    add({"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, {kDigits3, kCjk, kDeepSeek3});
    add({"deepseek-llm"},
        {"[\r\n]", kDeepSeekLetters, R"(\s?[!-/:-~！-／：-～‘-‟\x{3001}-。]+)", R"(\s+$)", kDeepSeekCjk, R"(\p{N}+)"});
    add({"deepseek-coder"}, {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekCjk, kDigit});
    add({"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"});
    add({"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"});
    add({"poro-chat", "bloom", "gpt3-finnish"}, {kBloom});
    add({"viking"}, {kBloom, kDigit});
    add({"seed-coder"},
        {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"});
    return made;
  }();
  return entries;
}

}  // namespace

Result<GgufPreTokenizer> gguf_pre_tokenizer(std::string_view name, const std::string& place) {
  for (const Entry& entry : table()) {
    if (entry.name != name) continue;
    GgufPreTokenizer made;
    made.ignore_merges = entry.ignore_merges;
    made.add_bos = entry.add_bos;
    for (const std::string_view pattern : entry.patterns) {
      TRY_ASSIGN(auto matcher, compile_pattern(pattern, PatternDialect::kLlamaCpp, place));
      made.patterns.emplace_back(pattern);
      made.stages.push_back(split_stage(std::move(matcher), SplitBehavior::kIsolated, false));
    }
    return made;
  }
  return unsupported(fmt::format("pre-tokenizer {:?} (tokenizer.ggml.pre)", name), place,
                     "convert the model from its safetensors files, which say how to split text");
}

std::string_view gguf_pre_tokenizer_name(const std::vector<std::string>& patterns, bool ignore_merges) {
  const auto same = [](const std::string& ours, std::string_view theirs) {
    return canonical_pattern(ours) == canonical_pattern(theirs);
  };
  for (const Entry& entry : table()) {
    if (entry.ignore_merges == ignore_merges &&
        std::equal(patterns.begin(), patterns.end(), entry.patterns.begin(), entry.patterns.end(), same)) {
      return entry.name;
    }
  }
  return {};
}

}  // namespace linnet
