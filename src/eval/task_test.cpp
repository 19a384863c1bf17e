#include "eval/task.hpp"

#include <filesystem>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"

namespace linnet {
namespace {

class TaskTest : public FolderTest {
 protected:
  std::string put(const std::string& name, std::string_view text) {
    const auto path = folder_ / name;
    EXPECT_TRUE(write_file(path, text).ok());
    return path.string();
  }
  Task task(const std::string& name, std::string_view text, const TaskOptions& options = {.shots = 0}) {
    auto read = read_task({put(name, text)}, options);
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    return read.ok() ? std::move(read).value() : Task{};
  }
  std::string error(const std::string& name, std::string_view text, const TaskOptions& options = {.shots = 0}) {
    auto read = read_task({put(name, text)}, options);
    EXPECT_FALSE(read.ok()) << text;
    return read.ok() ? "" : read.error().to_string();
  }
};

TEST_F(TaskTest, QueriesWithChoices) {
  const Task t =
      task("arc_easy.jsonl", R"({"query": "Question: Which is wet?", "choices": ["fire", "water"], "gold": 1})"
                             "\n"
                             R"({"query": "Predators eat", "choices": ["a", "b", "c"], "gold": 0})"
                             "\n");
  EXPECT_EQ(t.name, "arc_easy");
  EXPECT_EQ(t.kind, TaskKind::kChoice);
  EXPECT_EQ(t.items[0].question + t.delimiter + t.items[0].target, "Question: Which is wet?\nAnswer: water");
  EXPECT_EQ(t.items[1].question + t.delimiter + t.items[1].target, "Predators eat a");
}

TEST_F(TaskTest, MmluWithItsExamples) {
  put("dev/world_religions_dev.csv", "question,choice0,choice1,choice2,choice3,answer\nQ0,w,x,y,z,3\nQ00,1,2,3,4,0\n");
  const Task t = task("test/world_religions_test.csv",
                      "question,choice0,choice1,choice2,choice3,answer\n Q1 ,a,\"b, c\",d,e,1\n", {.shots = 1});
  EXPECT_EQ(t.name, "world_religions");
  EXPECT_EQ(t.preamble, "The following are multiple choice questions (with answers) about world religions.\n\n");
  EXPECT_EQ(t.items[0].question, "Q1\nA. a\nB. b, c\nC. d\nD. e\nAnswer:");
  EXPECT_EQ(t.items[0].gold, 1);
  EXPECT_EQ(t.items[0].target, "B");
  ASSERT_EQ(t.pool.size(), 2u);
  EXPECT_EQ(t.pool[0].target, "D");
  EXPECT_NE(
      error("test/alone_test.csv", "question,choice0,choice1,choice2,choice3,answer\nQ1,a,b,d,e,1\n", {.shots = 1})
          .find("no file of examples"),
      std::string::npos);
  EXPECT_NE(error("test/world_religions_test.csv", "question,choice0,choice1,choice2,choice3,answer\nQ1,a,b,d,e,1\n",
                  {.shots = 3})
                .find("3 examples are wanted, and it holds 2"),
            std::string::npos);
}

TEST_F(TaskTest, OtherShapesOfMultipleChoice) {
  const Task arc =
      task("a.jsonl", R"({"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "1"})");
  EXPECT_EQ(arc.items[0].gold, 0);
  EXPECT_EQ(arc.items[0].question, "Question: Q\nAnswer:");
  const Task list = task("b.jsonl", R"({"question": "Q", "choices": ["x", "y"], "answer": "B"})");
  EXPECT_EQ(list.items[0].gold, 1);
}

TEST_F(TaskTest, ContinuationsFollowAfterASpaceOrTheirSign) {
  const Task t = task("c.jsonl",
                      "{\"context\": \"2+2=\", \"continuation\": \"4\"}\n"
                      "{\"context\": \"He said\", \"continuation\": \"so\"}\n");
  EXPECT_EQ(t.kind, TaskKind::kContinuation);
  EXPECT_EQ(t.items[0].choices[0], "4");
  EXPECT_EQ(t.items[1].choices[0], " so");
}

TEST_F(TaskTest, WorkedNumbersComeAfterFiveExamples) {
  std::string train;
  for (int i = 0; i < 6; ++i) {
    train += R"({"question": "Q", "answer": "A\n#### 1"})"
             "\n";
  }
  put("gsm8k/train.jsonl", train);
  const Task t = task("gsm8k/test.jsonl", R"({"question": "How many?", "answer": "1 + 1\n#### 2"})", {});
  EXPECT_EQ(t.name, "gsm8k");
  EXPECT_EQ(t.kind, TaskKind::kNumber);
  EXPECT_EQ(t.shots, 5);
  EXPECT_EQ(t.items[0].question, "Question: How many?\nAnswer:");
  EXPECT_FALSE(t.likes_chat);
}

TEST_F(TaskTest, AnswersWithFactsAndWithout) {
  const Task t = task("test.csv", "question,answer,facts\nWhen?,At nine.,nine / 9\nWho?,,\n");
  EXPECT_EQ(t.kind, TaskKind::kAnswer);
  EXPECT_TRUE(t.likes_chat);
  EXPECT_EQ(t.items[0].request, "When?");
  ASSERT_TRUE(t.items[0].facts.has_value());
  EXPECT_EQ(t.items[0].facts.value_or(std::vector<Fact>{}), (std::vector<Fact>{{"nine", "9"}}));
  EXPECT_TRUE(t.items[1].references.empty());
  const Task squad = task(
      "s.json",
      R"({"data": [{"paragraphs": [{"context": "C", "qas": [{"question": "Q", "answers": [{"text": "x"}, {"text": "x"}, {"text": "y"}]}]}]}]})");
  EXPECT_EQ(squad.items[0].references, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(squad.items[0].question, "Background: C\n\nQuestion: Q\n\nAnswer:");
  EXPECT_EQ(squad.items[0].request, "C\n\nQ");
}

TEST_F(TaskTest, LabelsAreThoseOfTheFile) {
  const Task t = task("banking77/test.csv", "text,category\nhi,b\nho,a\nhu,b\n");
  EXPECT_EQ(t.name, "banking77");
  EXPECT_EQ(t.kind, TaskKind::kLabel);
  EXPECT_EQ(t.labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(t.instruction, "Which label fits this text? Answer with one of these: a, b.\n\n");
  EXPECT_EQ(t.items[0].gold, 1);
  EXPECT_NE(error("one.csv", "text,label\nhi,b\nho,b\n").find("holds one label only"), std::string::npos);
  std::string rows;
  for (int i = 0; i < 40; ++i) rows += (i % 3 ? "ham\ttext " : "spam\ttext ") + std::to_string(i) + "\n";
  const Task bare = task("sms.tsv", rows);
  EXPECT_EQ(bare.kind, TaskKind::kLabel);
  EXPECT_EQ(bare.items[0].question, "Text: text 0\nLabel:");
  EXPECT_EQ(bare.items[0].target, "spam");
}

TEST_F(TaskTest, SummariesAndTranslations) {
  const Task notes = task("notes_test.jsonl", R"({"text": "Long.", "keypoints": ["a", "b"]})");
  EXPECT_EQ(notes.kind, TaskKind::kSummary);
  EXPECT_EQ(notes.items[0].references[0], "- a\n- b");
  EXPECT_EQ(notes.items[0].question, "Long.\n\nSummary:");
  EXPECT_EQ(notes.instruction + notes.items[0].request, "Summarize the key points:\n\nLong.");
  const Task pairs = task("en-de.test.tsv", "Go.\tGeh.\nHi.\tHallo.\n");
  EXPECT_EQ(pairs.kind, TaskKind::kTranslation);
  EXPECT_EQ(pairs.name, "en-de");
  EXPECT_EQ(pairs.items[0].question, "English: Go.\nGerman:");
  EXPECT_EQ(pairs.instruction + pairs.items[0].request, "Translate into German: Go.");
}

// What tune reads, eval measures by: the names of columns in other languages, pairs, files labelled by their endings.
TEST_F(TaskTest, FormsThatAreLearnedFrom) {
  const Task faq = task("fragen.csv", "Frage;Antwort\nWann?;Um neun.\nWer?;\n");
  EXPECT_EQ(faq.kind, TaskKind::kAnswer);
  EXPECT_EQ(faq.data_form, DataForm::kQuestionAnswer);
  EXPECT_EQ(faq.items[0].request, "Wann?");
  EXPECT_EQ(faq.items[0].references, std::vector<std::string>{"Um neun."});
  EXPECT_TRUE(faq.items[1].references.empty());
  EXPECT_FALSE(faq.items[0].facts);
  const Task pairs = task("pairs.jsonl", R"({"source": "Go.", "target": "Va."})");
  EXPECT_EQ(pairs.kind, TaskKind::kTranslation);
  EXPECT_EQ(pairs.instruction, "Translate: ");
  EXPECT_EQ(task("p.jsonl", R"({"prompt": "Go.", "completion": "Gone."})").kind, TaskKind::kAnswer);
  const std::vector<std::string> family{put("films.neg", "bad\nworse\n"), put("films.pos", "good\n")};
  const auto films = read_task(family, {.shots = 0});
  ASSERT_TRUE(films.ok()) << films.error().to_string();
  EXPECT_EQ(films->kind, TaskKind::kLabel);
  EXPECT_EQ(films->name, "films");
  EXPECT_EQ(films->labels, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_EQ(films->items[2].number, 3);
  EXPECT_FALSE(read_task(family, {.shots = 0, .prompt_template = "{text}"}).ok());
  EXPECT_NE(
      error("chat.jsonl", R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})")
          .find("holds conversations, which have no score"),
      std::string::npos);
  EXPECT_NE(error("t.jsonl", R"({"text": "a"})").find("--text FILE"), std::string::npos);
  EXPECT_NE(error("s.csv", "system,question,answer\nBe kind.,a,b\n").find("s.csv, line 2: has a system message"),
            std::string::npos);
  EXPECT_NE(error("e.csv", "text,label\na,x\nb,\n").find("e.csv, line 3: has an empty label"), std::string::npos);
}

TEST_F(TaskTest, OfAFolderTheTestIsMeasuredBy) {
  put("set/faq.csv", "question,answer\na,b\n");
  const std::string test = put("set/test.csv", "question,answer,facts\na,b,b\n");
  const auto found = find_task_files({(folder_ / "set").string()});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_EQ(*found, (std::vector<std::vector<std::string>>{{test}}));
  const std::string one = put("two/a.csv", "question,answer\na,b\n"),
                    other = put("two/b.csv", "question,answer\na,b\n");
  EXPECT_EQ(*find_task_files({(folder_ / "two").string()}), (std::vector<std::vector<std::string>>{{one}, {other}}));
  const std::vector<std::string> family{put("f/x.neg", "a\n"), put("f/x.pos", "b\n")};
  EXPECT_EQ(*find_task_files({(folder_ / "f").string()}), std::vector<std::vector<std::string>>{family});
  EXPECT_EQ(*find_task_files(family), std::vector<std::vector<std::string>>{family});
  EXPECT_FALSE(find_task_files({(folder_ / "none").string()}).ok());
}

TEST_F(TaskTest, ATemplateReplacesTheFormsOwnWords) {
  const Task t = task("q.jsonl", R"({"query": "x", "choices": ["a", "b"], "gold": 0, "topic": "T", "n": 3})",
                      {.shots = 0, .prompt_template = "[{topic} {n}] {query}\\n{"});
  EXPECT_EQ(t.items[0].question, "[T 3] x\n{");
  EXPECT_NE(error("r.jsonl", R"({"query": "x", "choices": ["a", "b"], "gold": 0})",
                  {.shots = 0, .prompt_template = "{topic}"})
                .find("r.jsonl, line 1: has no field \"topic\""),
            std::string::npos);
}

TEST_F(TaskTest, WhatIsWrongIsNamed) {
  EXPECT_NE(error("a.jsonl", R"({"colour": 1})").find("a row of the fields colour is no kind of data"),
            std::string::npos);
  EXPECT_NE(error("b.jsonl",
                  "{\"query\": \"x\", \"choices\": [\"a\", \"b\"], \"gold\": 0}\n"
                  "{\"query\": \"x\", \"choices\": [\"a\", \"b\"], \"gold\": 2}\n")
                .find("b.jsonl, line 2: \"gold\" is \"2\""),
            std::string::npos);
  EXPECT_NE(error("c.jsonl", R"({"query": "x", "choices": ["a"], "gold": 0})").find("has 1 choices"),
            std::string::npos);
  EXPECT_NE(error("d.jsonl", R"({"query": "x", "choices": [1, 2], "gold": 0})").find("\"choices\" must be a list"),
            std::string::npos);
  EXPECT_NE(error("e.jsonl", R"({"query": ["x"], "choices": ["a", "b"], "gold": 0})").find("\"query\" must be text"),
            std::string::npos);
  EXPECT_NE(
      error("f.jsonl", "{\"question\": \"x\", \"answer\": \"#### 1\"}\n{\"question\": \"x\", \"answer\": \"1\"}\n")
          .find("f.jsonl, line 2: \"answer\" has no \"#### \""),
      std::string::npos);
  EXPECT_NE(error("g.jsonl", "{\"question\": \"x\", \"answer\": \"1\"}\n{\"question\": null, \"answer\": \"1\"}\n")
                .find("g.jsonl, line 2"),
            std::string::npos);
}

TEST_F(TaskTest, ChoicesHaveLettersAndNoneIsLost) {
  std::string names = "question", row = "Q";
  for (int i = 0; i < 27; ++i) {
    names += ",choice" + std::to_string(i);
    row += "," + std::to_string(i);
  }
  EXPECT_NE(error("many.csv", names + ",answer\n" + row + ",0\n").find("has 27 choices: 2 to 26"), std::string::npos);
}

TEST_F(TaskTest, ExamplesAreNotTheQuestions) {
  const std::string rows =
      "{\"query\": \"x\", \"choices\": [\"a\", \"b\"], \"gold\": 0}\n"
      "{\"query\": \"y\", \"choices\": [\"a\", \"b\"], \"gold\": 1}\n";
  put("own.jsonl", rows);
  EXPECT_NE(error("own.jsonl", rows, {.shots = 1, .shots_path = (folder_ / "." / "own.jsonl").string()})
                .find("would show the answers"),
            std::string::npos);
}

// Known before the model has written for an hour.
TEST_F(TaskTest, ASummaryThatCannotBeScoredIsNamed) {
  std::string words;
  for (int i = 0; i < 6000; ++i) words += "word ";
  EXPECT_NE(error("long.jsonl",
                  "{\"document\": \"a\", \"summary\": \"b\"}\n{\"document\": \"a\", \"summary\": \"" + words + "\"}\n")
                .find("long.jsonl, line 2"),
            std::string::npos);
}

TEST_F(TaskTest, SquadMustBeAsSquadIs) {
  for (const char* bad :
       {R"({"data": [1]})", R"({"data": [{"paragraphs": [1]}]})", R"({"data": [{"paragraphs": [{}]}]})",
        R"({"data": [{"paragraphs": [{"context": "C", "qas": 1}]}]})",
        R"({"data": [{"paragraphs": [{"context": 1, "qas": []}]}]})",
        R"({"data": [{"paragraphs": [{"context": "C", "qas": [1]}]}]})", R"({"data": []})"}) {
    error("s.json", bad);
  }
  EXPECT_NE(error("x.parquet", "").find("files of this kind are not read"), std::string::npos);
}

}  // namespace
}  // namespace linnet
