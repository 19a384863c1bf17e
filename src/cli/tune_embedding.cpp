// linnet tune --method contrastive: on pairs of texts.
#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "cli/common.hpp"
#include "cli/store_verbs.hpp"
#include "cli/tune_common.hpp"

namespace linnet::cli {

namespace {

std::string plan_sentence(const EmbeddingTuner& tuner, const Dataset& dataset, const EmbeddingSettings& settings) {
  std::string text;
  for (const std::string& said : dataset.said) text += said + "\n";
  const EmbeddingPlan& plan = tuner.plan();
  return text + fmt::format(
                    "{} pairs to learn from, {} held out\n{} learns which texts belong together: {} in {} "
                    "of up to {} pairs each, {} tokens of a text at most, at a rate of {:.2g}\n",
                    tuner.train().size(), tuner.held_out().size(), settings.base, counted(plan.steps, "step"),
                    counted(plan.epochs, "epoch"), plan.pairs_per_step, plan.length, plan.rate);
}

std::string result_sentence(const EmbeddingTuner& tuner, const EmbeddingTuner::Taught& taught) {
  const Retrieval& after = taught.after;
  if (after.texts == 0) return {};
  const auto shares = [](const Retrieval& one) {
    return fmt::format("{:.1f}% first, {:.1f}% among the first ten, MRR {:.3f}", 100 * one.first, 100 * one.among_ten,
                       one.reciprocal);
  };
  return fmt::format("partners found, of {} {} pairs: {} (untaught: {})\n", after.texts,
                     tuner.test().size() > 0 ? "test" : "held out", shares(after), shares(taught.before));
}

Json to_json(const Retrieval& one) {
  if (one.texts == 0) return nullptr;
  return {{"texts", one.texts}, {"recall_at_1", one.first}, {"recall_at_10", one.among_ten}, {"mrr", one.reciprocal}};
}

}  // namespace

Status tune_embedding(const TuneFlags& flags, const Dataset& dataset) {
  const EmbeddingSettings& settings = flags.embedding;
  if (flags.encoder.empty() && flags.base.empty()) TRY(ensure_model(settings.base));
  TRY_ASSIGN(const std::unique_ptr<EmbeddingTuner> tuner, EmbeddingTuner::prepare(settings, dataset));
  const RunStore store = RunStore::standard();
  TRY_ASSIGN(const RunVersion version, store.open(flags.name, tuner->info(), flags.resume));
  if (!flags.json) TRY(print(plan_sentence(*tuner, dataset, settings)));
  TRY_ASSIGN(const EmbeddingTuner::Taught taught, teach_shown(*tuner, tuner->plan().steps, version, flags.resume));
  TRY(store.set_current(version));
  if (flags.json) {
    Json json = finished_json(tuner->info(), version, taught.loop);
    json["retrieval"] = to_json(taught.after);
    json["untaught"] = to_json(taught.before);
    return print_json(json);
  }
  return print(fmt::format("{}{}: linnet embed {} \"a text\"\n", result_sentence(*tuner, taught),
                           ready_sentence(version, taught.loop), version.name));
}

}  // namespace linnet::cli
