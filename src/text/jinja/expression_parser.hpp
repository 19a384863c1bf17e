// The expressions of a template, and the tokens that they and the statements are read from.
// Grammar and messages: jinja2 3.1, parser.py.
// Thread safety: one parser, one thread. Every member throws Fault kSyntax, kLimit or kUnsupported, with its line.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.hpp"
#include "text/jinja/lexer.hpp"

namespace linnet::jinja {

// How deep expressions and statements may nest in the text of a template.
inline constexpr int kMaxSyntaxDepth = 200;

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::string_view source) : tokens_(tokenize(source)) {}

  // Counts nesting while one rule of the grammar runs.
  class Nested {
   public:
    explicit Nested(ExpressionParser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxSyntaxDepth) parser_.too_deep();
    }
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    ExpressionParser& parser_;
  };

  [[noreturn]] void too_deep() const;
  [[noreturn]] void syntax(std::string message, int line = 0) const;

  // ---- tokens

  const Token& here() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next();
  bool skip_op(std::string_view op) { return here().is_op(op) && (next(), true); }
  bool skip_name(std::string_view name) { return here().is_name(name) && (next(), true); }

  [[noreturn]] void unexpected(std::string_view expected) const;
  void expect_op(std::string_view op) {
    if (!skip_op(op)) unexpected(op);
  }
  std::string expect_name() {
    if (here().type != TokenType::kName) unexpected("name");
    return next().text;
  }
  void expect(TokenType type) {
    if (here().type != type) unexpected(describe(Token{type, 0, ""}));
    next();
  }

  // ---- nodes

  ExprPtr make(Expr::Kind kind, int line) const;

  // Adds a child. Left-deep trees grow without recursion in the parser, so depth is counted here too.
  void adopt(Expr& parent, std::vector<ExprPtr>& place, ExprPtr child) const;
  void adopt(Expr& parent, ExprPtr child) const { adopt(parent, parent.items, std::move(child)); }

  ExprPtr binary(std::string op, ExprPtr left, ExprPtr right, int line) const;

  ExprPtr constant(Value value, int line) const;

  // ---- expressions, from the loosest binding to the tightest

  ExprPtr expression(bool with_condition = true);
  ExprPtr condition();
  ExprPtr disjunction();
  ExprPtr conjunction();
  ExprPtr negation();

  // The comparison operator here, consumed; empty where there is none.
  std::string comparison_operator();
  ExprPtr comparison();
  bool at_operator(std::initializer_list<std::string_view> ops) const;
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter);
  ExprPtr primary();
  ExprPtr name_or_constant();
  bool at_tuple_end() const;

  // One expression, or a tuple of them where there is a comma.
  ExprPtr tuple(bool with_condition, bool parenthesized);
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr expr);
  ExprPtr filters_and_tests(ExprPtr expr);
  ExprPtr attribute(ExprPtr object);
  ExprPtr subscript(ExprPtr object);
  ExprPtr index();

  // "(a, *b, c=d, **e)" into `expr`.
  void call_arguments(Expr& expr);
  void keyword(Expr& expr);
  ExprPtr call(ExprPtr callee);
  std::string dotted_name();
  ExprPtr filter(ExprPtr value);
  ExprPtr test(ExprPtr value);

  // ---- targets of assignments

  static std::string_view kind_name(Expr::Kind kind);
  void check_target(const Expr& target) const;
  ExprPtr target_item(bool with_namespace);
  ExprPtr target(bool with_namespace);

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace linnet::jinja
