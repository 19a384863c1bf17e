#include "data/form.hpp"

#include <gtest/gtest.h>

#include "data/csv.hpp"
#include "data/json_rows.hpp"

namespace linnet {
namespace {

Result<FormMatch> form_of(std::string_view text, const ColumnNames& columns = {}) {
  if (text.find_first_not_of(" \n") != text.npos && (text[0] == '{' || text[0] == '[')) {
    TRY_ASSIGN(const Rows rows, parse_json_rows(text, "t.jsonl"));
    return recognise_form(rows, columns);
  }
  TRY_ASSIGN(Table table, parse_csv(text, guess_delimiter(text), "t.csv"));
  std::vector<std::string> names;
  for (const auto& [key, name] : columns) names.push_back(name);
  TRY_ASSIGN(const Rows rows, name_columns(std::move(table), names));
  return recognise_form(rows, columns);
}

struct Case {
  std::string text;
  DataForm form;
};

TEST(Form, EveryFormIsKnownByItsFields) {
  const std::vector<Case> cases = {
      {"{\"text\": \"a\"}", DataForm::kText},
      {"Question , ANSWER\nq,a\n", DataForm::kQuestionAnswer},
      {"Frage;Antwort\nq;a\n", DataForm::kQuestionAnswer},
      {"question,answer,facts\nq,a,f\n", DataForm::kTestList},
      {"{\"prompt\": \"a\", \"completion\": \"b\"}", DataForm::kPromptCompletion},
      {"{\"prompt\": \"a\", \"response\": \"b\"}", DataForm::kPromptCompletion},
      {"{\"instruction\": \"a\", \"response\": \"b\"}", DataForm::kAlpaca},
      {"{\"instruction\": \"a\", \"input\": \"\", \"output\": \"b\"}", DataForm::kAlpaca},
      {"{\"instruction\": \"a\", \"instances\": [{\"input\": \"\", \"output\": \"b\"}]}", DataForm::kAlpaca},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", DataForm::kMessages},
      {"{\"conversations\": [{\"role\": \"user\", \"content\": \"a\"}]}", DataForm::kMessages},
      {"{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", DataForm::kShareGpt},
      {"{\"prompt\": {\"text\": \"a\", \"role\": \"prompter\", \"replies\": []}}", DataForm::kTree},
      {"{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}", DataForm::kPreference},
      {"{\"prompt\": \"a\", \"completion\": \"b\", \"label\": true}", DataForm::kUnpairedPreference},
      {"text,label\na,b\n", DataForm::kLabels},
      {"utterance,intent,category\na,b,c\n", DataForm::kLabels},
      {"{\"text\": \"a\", \"keypoints\": [\"b\"]}", DataForm::kSummary},
      {"{\"article\": \"a\", \"highlights\": \"b\"}", DataForm::kSummary},
      {"Hi.\tHallo!\nRun!\tLauf!\n", DataForm::kPromptCompletion},
  };
  for (const Case& one : cases) {
    const auto match = form_of(one.text);
    ASSERT_TRUE(match.ok()) << one.text << match.error().to_string();
    EXPECT_EQ(form_name(match->form), form_name(one.form)) << one.text;
    EXPECT_FALSE(match->said.empty());
  }
}

TEST(Form, TheLabelThatIsChosenIsSaidWithTheOthers) {
  const auto match = form_of("utterance,category,intent\na,X,x\nb,X,y\n");
  ASSERT_TRUE(match.ok());
  EXPECT_EQ(match->name_of(FieldUse::kLabel), "intent");
  EXPECT_NE(match->said.find("label in \"intent\" (2 different); \"category\" could be the label, too"),
            std::string::npos);
  const auto other = form_of("utterance,category,intent\na,X,x\n", {{"label", "category"}});
  EXPECT_EQ(other->name_of(FieldUse::kLabel), "category");
}

TEST(Form, APersonMaySayWhichColumnIsWhich) {
  const auto match = form_of("Anliegen,Reaktion\nq,a\n", {{"question", "Anliegen"}, {"answer", "Reaktion"}});
  ASSERT_TRUE(match.ok()) << match.error().to_string();
  EXPECT_EQ(match->form, DataForm::kQuestionAnswer);
  const auto wrong = form_of("question,answer\nq,a\n", {{"question", "Frage"}});
  EXPECT_NE(wrong.error().to_string().find("no column \"Frage\""), std::string::npos);
  EXPECT_NE(form_of("question,answer\nq,a\n", {{"qestion", "question"}}).error().to_string().find("no use of a column"),
            std::string::npos);
}

TEST(Form, PairsAreKnownByTheirColumnsOrNamedByAPerson) {
  EXPECT_TRUE(form_of("Hi.\tHallo!\nRun!\tLauf!\n")->pairs);
  EXPECT_TRUE(form_of("source,target\na,b\n")->pairs);
  EXPECT_FALSE(form_of("prompt,completion\na,b\n")->pairs);
  // What a person names is used, whatever else the file could be.
  const ColumnNames named = {{"prompt", "question"}, {"completion", "label"}};
  const auto match = form_of("question,answer,label\nq,a,l\n", named);
  ASSERT_TRUE(match.ok()) << match.error().to_string();
  EXPECT_EQ(match->form, DataForm::kPromptCompletion);
  EXPECT_TRUE(match->pairs);
  EXPECT_EQ(match->name_of(FieldUse::kCompletion), "label");
}

TEST(Form, ColumnsWithoutNamesAreNamedByTheirPlaces) {
  const ColumnNames places = {{"prompt", "1"}, {"completion", "2"}};
  const auto match = form_of("Go.\tGeh.\tCC-BY\nHi.\tHallo.\tCC-BY\n", places);
  ASSERT_TRUE(match.ok()) << match.error().to_string();
  EXPECT_EQ(match->form, DataForm::kPromptCompletion);
  EXPECT_TRUE(match->pairs);
  EXPECT_NE(match->said.find("2 rows"), std::string::npos) << match->said;
  EXPECT_FALSE(form_of("Go.\tGeh.\tCC-BY\nHi.\tHallo.\n", places).ok());                     // ragged
  EXPECT_FALSE(form_of("Go.\tGeh.\tCC-BY\n", {{"prompt", "1"}, {"completion", "4"}}).ok());  // not there
}

TEST(Form, WithoutAHeaderTheColumnOfFewValuesIsTheLabel) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += (i % 3 == 0 ? "spam\tmessage " : "ham\tmessage ") + std::to_string(i) + "\n";
  const auto match = form_of(text);
  ASSERT_TRUE(match.ok()) << match.error().to_string();
  EXPECT_EQ(match->form, DataForm::kLabels);
  EXPECT_EQ(match->name_of(FieldUse::kLabel), "1");
}

TEST(Form, WhatIsNotUnderstoodIsAnErrorWithTheList) {
  for (const std::string text : {"Spalte,Andere\na,b\n", "x,y,z\n1,2,3\n", "{\"foo\": 1}", "{}"}) {
    const auto match = form_of(text);
    ASSERT_FALSE(match.ok()) << text;
    EXPECT_NE(match.error().hint.find("question, answer"), std::string::npos) << match.error().to_string();
  }
  EXPECT_NE(
      form_of("question,answer\na,b,c\n").error().to_string().find("t.csv, line 2: 3 cells, where the first row has 2"),
      std::string::npos);
  EXPECT_NE(form_of("answer,question,answer\na,b,c\n").error().to_string().find("two columns are called \"answer\""),
            std::string::npos);
}

}  // namespace
}  // namespace linnet
