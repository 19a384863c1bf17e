// Cuts a template into tokens as jinja2 does with trim_blocks and lstrip_blocks set and keep_trailing_newline not.
// Format: jinja2 3.1, lexer.py.
// Thread safety: pure function.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::jinja {

enum class TokenType {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  int line;
  std::string text;  // of data, names and operators as written; of strings unescaped
  int64_t integer = 0;
  double real = 0;

  bool is(TokenType t, std::string_view value) const { return type == t && text == value; }
  bool is_name(std::string_view name) const { return is(TokenType::kName, name); }
  bool is_op(std::string_view op) const { return is(TokenType::kOperator, op); }
};

// The tokens of `source` (valid UTF-8), the last of them kEnd. Throws Fault kSyntax with its line.
std::vector<Token> tokenize(std::string_view source);

// "end of print statement", "name", …: how jinja2 names a token in messages.
std::string describe(const Token& token);

}  // namespace linnet::jinja
