#include "tasks/faq_assistant.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/json.hpp"
#include "tasks/run_store.hpp"

namespace linnet {

namespace {

// Found on the development lists of bench/faq_lists (docs/faq.md says how); none of them was fitted to one list.
constexpr size_t kCandidates = 10;        // among which the language model chooses, at most
constexpr float kReach = 0.2f;            // of a cosine below the best: further ones are not worth its time
constexpr size_t kJudged = 3;             // of them, the likeliest
constexpr double kGainWeight = 0.1;       // of the model's likelihood beside a cosine
constexpr double kVerdictWeight = 0.25;   // of the odds that the answer tells what was asked
constexpr double kNoVerdict = -0.85;      // those odds where nobody gave them: with these, as many are declined
constexpr double kOtherWeight = 0.9;      // of the nearest question that the list does not answer
constexpr double kBelongingWeight = 0.2;  // of how much likelier the question is of anything else in the world

// What depends on how many phrasings an answer has: found with one and with five.
struct ByPhrasings {
  double one, five;
  double of(const FaqList& list) const {
    const double share = std::min(std::log(list.phrasings()) / std::log(5.0), 1.5);
    return one + share * (five - one);
  }
};
constexpr ByPhrasings kLeastConfidence{-0.37, -0.29};  // the nearest of more is nearer
constexpr ByPhrasings kLeastSimilarity{0.25, 0.30};    // what is far from everything is about something else

}  // namespace

std::unique_ptr<FaqAssistant> FaqAssistant::create(Embedder embedder, FaqIndex index, std::string declining) {
  return std::unique_ptr<FaqAssistant>(
      new FaqAssistant(std::move(embedder), std::move(index), std::move(declining)));  // NOLINT: private
}

namespace {

// What run.json says of the run in a folder.
struct FaqInfo {
  std::string encoder, declining;
};

Result<FaqInfo> read_info(const std::filesystem::path& folder) {
  const std::string place = (folder / "run.json").string();
  TRY_ASSIGN(const Json json, read_json_file(place));
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  FaqInfo info;
  TRY_ASSIGN(info.encoder, object.string("encoder"));
  TRY_ASSIGN(info.declining, object.string("declining"));
  return info;
}

Result<ModelHandle> find_encoder(const FaqInfo& info, const std::filesystem::path& folder) {
  TRY_ASSIGN(ModelHandle model, find_model(info.encoder));
  model.adapters.push_back((folder / kFaqEncoderFolder).string());
  return model;
}

}  // namespace

Result<ModelHandle> faq_encoder(const std::filesystem::path& folder) {
  TRY_ASSIGN(const FaqInfo info, read_info(folder));
  return find_encoder(info, folder);
}

Result<std::unique_ptr<FaqAssistant>> FaqAssistant::open(const std::filesystem::path& folder, Runtime& runtime) {
  TRY_ASSIGN(FaqInfo info, read_info(folder));
  TRY_ASSIGN(ModelHandle model, find_encoder(info, folder));
  TRY_ASSIGN(Embedder embedder, Embedder::load(std::move(model), runtime, kFaqTokens));
  TRY_ASSIGN(FaqIndex index, FaqIndex::load(folder, embedder.transformer().config().hidden_size));
  return create(std::move(embedder), std::move(index), std::move(info.declining));
}

void FaqAssistant::set_chooser(FaqThinker thinker) {
  chooser_ = std::make_unique<FaqChooser>(std::move(thinker), index_.list());
}

namespace {

// What the chooser thinks of the candidates and of the question.
Status choose(FaqChooser& chooser, const std::string& question, FaqJudgement& judgement) {
  std::vector<uint32_t> answers;
  answers.reserve(judgement.candidates.size());
  for (const FaqJudgement::Candidate& one : judgement.candidates) answers.push_back(one.answer);
  if (answers.size() > 1) {
    TRY_ASSIGN(const std::vector<double> gains, chooser.likelihoods(question, answers));
    const double best = *std::max_element(gains.begin(), gains.end());
    for (size_t i = 0; i < gains.size(); ++i) judgement.candidates[i].gain = gains[i] - best;
  }
  TRY_ASSIGN(const std::optional<double> belonging, chooser.belonging(question));
  judgement.belonging = belonging.value_or(0);
  return ok_status();
}

// Scores the candidates, of which similarity and gain are known, and puts the best first. Without a chooser there are
// no verdicts.
Status weigh(FaqChooser* chooser, const std::string& question, FaqJudgement& judgement) {
  using Candidate = FaqJudgement::Candidate;
  std::vector<Candidate>& all = judgement.candidates;
  const auto best_first = [&] { std::ranges::stable_sort(all, std::ranges::greater(), &Candidate::score); };
  for (Candidate& one : all) one.score = one.similarity + kGainWeight * one.gain;
  best_first();
  std::optional<double> least;
  for (size_t i = 0; i < all.size(); ++i) {
    std::optional<double> verdict;
    if (chooser && i < kJudged) {
      TRY_ASSIGN(verdict, chooser->verdict(question, all[i].answer));
    }
    if (verdict) least = std::min(least.value_or(*verdict), *verdict);
    all[i].verdict = verdict ? *verdict : least.value_or(kNoVerdict);
    all[i].score += kVerdictWeight * all[i].verdict;
  }
  best_first();
  return ok_status();
}

}  // namespace

Result<FaqJudgement> FaqAssistant::judge(const std::string& question) const {
  TRY_ASSIGN(const Tensor query, embedder_.embed({&question, 1}, TooLong::kCut));
  const std::vector<FaqMatch> matches = index_.rank(query.span<float>());
  FaqJudgement judgement;
  for (const FaqMatch& match : matches) {
    if (judgement.candidates.size() == kCandidates || match.similarity < matches.front().similarity - kReach) break;
    judgement.candidates.push_back({.answer = match.answer, .similarity = match.similarity});
  }
  // What is far from everything is declined, whatever a model would think: it need not be waited for.
  const bool far = matches.front().similarity < kLeastSimilarity.of(index_.list());
  FaqChooser* chooser = far ? nullptr : chooser_.get();
  if (chooser) TRY(choose(*chooser, question, judgement));
  TRY(weigh(chooser, question, judgement));
  judgement.nearest_other = index_.nearest_other(query.span<float>());
  judgement.confidence = judgement.candidates.front().score - kOtherWeight * judgement.nearest_other +
                         kBelongingWeight * std::min(judgement.belonging, 0.0);
  judgement.declined = far || judgement.confidence < kLeastConfidence.of(index_.list());
  return judgement;
}

Result<FaqReply> FaqAssistant::reply(const std::string& question) const {
  FaqReply reply;
  TRY_ASSIGN(reply.judgement, judge(question));
  const uint32_t answer = reply.judgement.candidates.front().answer;
  reply.text = reply.judgement.declined ? declining_ : index_.list().answers[answer];
  return reply;
}

}  // namespace linnet
