#include "kernels/isa.hpp"

#include <cstdlib>
#include <gtest/gtest.h>

#include "kernels/cpu_features.hpp"
#include "kernels/registry.hpp"

namespace linnet {
namespace {

TEST(Isa, NamesGoThereAndBack) {
  for (const Isa isa : all_isas()) {
    ASSERT_EQ(parse_isa(isa_name(isa)), isa);
    EXPECT_EQ(kernel_table(isa).isa == "reference", isa == Isa::kBaseline);
  }
  EXPECT_FALSE(parse_isa("AVX2").has_value());
}

TEST(Isa, TheFastestIsChosen) {
  const auto chosen = choose_isa("");
  ASSERT_TRUE(chosen.ok());
  EXPECT_TRUE(machine_has(*chosen));
  for (const Isa isa : all_isas()) {
    const bool passed_over = isa == Isa::kAvx512Bf16 && cpu_is_intel();
    EXPECT_TRUE(isa <= *chosen || !machine_has(isa) || passed_over) << isa_name(isa);
  }
}

TEST(Isa, AnyLowerOneCanBeForced) {
  for (const Isa isa : all_isas()) {
    const auto chosen = choose_isa(isa_name(isa));
    ASSERT_EQ(chosen.ok(), machine_has(isa));
    if (chosen.ok()) {
      EXPECT_EQ(*chosen, isa);
    } else {
      EXPECT_NE(chosen.error().hint.find(machine_isas()), std::string::npos);
    }
  }
}

TEST(Isa, AnUnknownNameIsAnErrorThatListsTheChoices) {
  const auto chosen = choose_isa("sse9");
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().code, ErrorCode::kUsage);
  EXPECT_NE(chosen.error().message.find("sse9"), std::string::npos);
  EXPECT_NE(chosen.error().hint.find(isa_name(Isa::kBaseline)), std::string::npos);
}

TEST(Isa, TheEnvironmentForcesIt) {
  ASSERT_EQ(setenv("LINNET_ISA", isa_name(Isa::kBaseline).data(), 1), 0);
  const auto forced = kernel_table_for_this_machine();
  ASSERT_EQ(setenv("LINNET_ISA", "nonsense", 1), 0);
  const auto wrong = kernel_table_for_this_machine();
  ASSERT_EQ(unsetenv("LINNET_ISA"), 0);
  ASSERT_TRUE(forced.ok());
  EXPECT_EQ((*forced)->isa, "reference");
  EXPECT_FALSE(wrong.ok());
}

TEST(Isa, PeakLoopsCountWhatTheyDo) {
  for (const Isa isa : all_isas()) {
    if (isa == Isa::kBaseline || !machine_has(isa)) continue;  // the tests of products say which are skipped
    const KernelTable& table = kernel_table(isa);
    EXPECT_EQ(table.peaks.multiply_bf16 == nullptr, table.bf16.matmul == nullptr);
    for (const auto loop : {table.peaks.multiply_int8, table.peaks.multiply_f32, table.peaks.multiply_bf16}) {
      if (!loop) continue;
      EXPECT_GT(loop(3), 0) << isa_name(isa);
      EXPECT_EQ(loop(6), 2 * loop(3)) << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace linnet
