#include "text/jinja/expression_parser.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace linnet::jinja {

void ExpressionParser::too_deep() const {
  fail(FaultKind::kLimit, fmt::format("template is nested deeper than {}", kMaxSyntaxDepth), here().line);
}

void ExpressionParser::syntax(std::string message, int line) const {
  fail(FaultKind::kSyntax, std::move(message), line != 0 ? line : here().line);
}

const Token& ExpressionParser::next() {
  const Token& token = tokens_[at_];
  if (token.type != TokenType::kEnd) ++at_;
  return token;
}

void ExpressionParser::unexpected(std::string_view expected) const {
  if (here().type == TokenType::kEnd) syntax(fmt::format("unexpected end of template, expected '{}'.", expected));
  syntax(fmt::format("expected token '{}', got '{}'", expected, describe(here())));
}

ExprPtr ExpressionParser::make(Expr::Kind kind, int line) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

void ExpressionParser::adopt(Expr& parent, std::vector<ExprPtr>& place, ExprPtr child) const {
  if (child) {
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kMaxSyntaxDepth) too_deep();
  }
  place.push_back(std::move(child));
}

ExprPtr ExpressionParser::binary(std::string op, ExprPtr left, ExprPtr right, int line) const {
  ExprPtr expr = make(Expr::Kind::kBinary, line);
  expr->name = std::move(op);
  adopt(*expr, std::move(left));
  adopt(*expr, std::move(right));
  return expr;
}

ExprPtr ExpressionParser::constant(Value value, int line) const {
  ExprPtr expr = make(Expr::Kind::kConst, line);
  expr->constant = std::move(value);
  return expr;
}

ExprPtr ExpressionParser::expression(bool with_condition) {
  const Nested nested(*this);
  return with_condition ? condition() : disjunction();
}

ExprPtr ExpressionParser::condition() {
  const int line = here().line;
  ExprPtr value = disjunction();
  while (skip_name("if")) {
    ExprPtr expr = make(Expr::Kind::kCondition, line);
    adopt(*expr, disjunction());
    adopt(*expr, std::move(value));
    adopt(*expr, skip_name("else") ? expression() : nullptr);
    value = std::move(expr);
  }
  return value;
}

ExprPtr ExpressionParser::disjunction() {
  const int line = here().line;
  ExprPtr left = conjunction();
  while (skip_name("or")) left = binary("or", std::move(left), conjunction(), line);
  return left;
}

ExprPtr ExpressionParser::conjunction() {
  const int line = here().line;
  ExprPtr left = negation();
  while (skip_name("and")) left = binary("and", std::move(left), negation(), line);
  return left;
}

ExprPtr ExpressionParser::negation() {
  if (!here().is_name("not")) return comparison();
  const Nested nested(*this);
  ExprPtr expr = make(Expr::Kind::kUnary, next().line);
  expr->name = "not";
  adopt(*expr, negation());
  return expr;
}

std::string ExpressionParser::comparison_operator() {
  constexpr std::string_view kOps[] = {"==", "!=", "<", "<=", ">", ">="};
  if (here().type == TokenType::kOperator && std::ranges::find(kOps, here().text) != std::end(kOps)) {
    return next().text;
  }
  if (skip_name("in")) return "in";
  if (here().is_name("not") && ahead().is_name("in")) {
    next();
    next();
    return "not in";
  }
  return {};
}

ExprPtr ExpressionParser::comparison() {
  const int line = here().line;
  ExprPtr first = sum();
  std::string op = comparison_operator();
  if (op.empty()) return first;
  ExprPtr expr = make(Expr::Kind::kCompare, line);
  adopt(*expr, std::move(first));
  for (; !op.empty(); op = comparison_operator()) {
    expr->operators.push_back(std::move(op));
    adopt(*expr, sum());
  }
  return expr;
}

bool ExpressionParser::at_operator(std::initializer_list<std::string_view> ops) const {
  return here().type == TokenType::kOperator && std::ranges::find(ops, here().text) != ops.end();
}

ExprPtr ExpressionParser::sum() {
  const int line = here().line;
  ExprPtr left = concatenation();
  while (at_operator({"+", "-"})) {
    std::string op = next().text;
    left = binary(std::move(op), std::move(left), concatenation(), line);
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  const int line = here().line;
  ExprPtr first = product();
  if (!here().is_op("~")) return first;
  ExprPtr expr = make(Expr::Kind::kConcat, line);
  adopt(*expr, std::move(first));
  while (skip_op("~")) adopt(*expr, product());
  return expr;
}

ExprPtr ExpressionParser::product() {
  const int line = here().line;
  ExprPtr left = power();
  while (at_operator({"*", "/", "//", "%"})) {
    std::string op = next().text;
    left = binary(std::move(op), std::move(left), power(), line);
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  const int line = here().line;
  ExprPtr left = unary(true);
  while (skip_op("**")) left = binary("**", std::move(left), unary(true), line);
  return left;
}

ExprPtr ExpressionParser::unary(bool with_filter) {
  const Nested nested(*this);
  ExprPtr expr;
  if (at_operator({"-", "+"})) {
    expr = make(Expr::Kind::kUnary, here().line);
    expr->name = next().text;
    adopt(*expr, unary(false));
  } else {
    expr = primary();
  }
  expr = postfix(std::move(expr));
  return with_filter ? filters_and_tests(std::move(expr)) : std::move(expr);
}

ExprPtr ExpressionParser::primary() {
  const Token& token = here();
  switch (token.type) {
    case TokenType::kName:
      return name_or_constant();
    case TokenType::kString: {
      std::string text;
      while (here().type == TokenType::kString) text += next().text;
      return constant(Value::text(std::move(text)), token.line);
    }
    case TokenType::kInteger:
      next();
      return constant(Value::integer(token.integer), token.line);
    case TokenType::kFloat:
      next();
      return constant(Value::real(token.real), token.line);
    default:
      break;
  }
  if (token.is_op("[")) return list();
  if (token.is_op("{")) return dict();
  if (!skip_op("(")) syntax(fmt::format("unexpected '{}'", describe(token)), token.line);
  ExprPtr expr = tuple(true, true);
  expect_op(")");
  return expr;
}

ExprPtr ExpressionParser::name_or_constant() {
  const Token& token = next();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return constant(Value::boolean(true), token.line);
  if (name == "false" || name == "False") return constant(Value::boolean(false), token.line);
  if (name == "none" || name == "None") return constant(Value(), token.line);
  ExprPtr expr = make(Expr::Kind::kName, token.line);
  expr->name = name;
  return expr;
}

bool ExpressionParser::at_tuple_end() const {
  return here().type == TokenType::kVariableEnd || here().type == TokenType::kBlockEnd || here().is_op(")");
}

ExprPtr ExpressionParser::tuple(bool with_condition, bool parenthesized) {
  const int line = here().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    if (at_tuple_end()) break;
    items.push_back(expression(with_condition));
    if (!here().is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!parenthesized) syntax(fmt::format("Expected an expression, got '{}'", describe(here())));
  }
  ExprPtr expr = make(Expr::Kind::kTuple, line);
  for (ExprPtr& item : items) adopt(*expr, std::move(item));
  return expr;
}

ExprPtr ExpressionParser::list() {
  ExprPtr expr = make(Expr::Kind::kList, next().line);
  while (!here().is_op("]")) {
    if (!expr->items.empty()) expect_op(",");
    if (here().is_op("]")) break;
    adopt(*expr, expression());
  }
  expect_op("]");
  return expr;
}

ExprPtr ExpressionParser::dict() {
  ExprPtr expr = make(Expr::Kind::kDict, next().line);
  while (!here().is_op("}")) {
    if (!expr->items.empty()) expect_op(",");
    if (here().is_op("}")) break;
    adopt(*expr, expression());
    expect_op(":");
    adopt(*expr, expression());
  }
  expect_op("}");
  return expr;
}

ExprPtr ExpressionParser::postfix(ExprPtr expr) {
  for (;;) {
    if (here().is_op(".")) {
      expr = attribute(std::move(expr));
    } else if (here().is_op("[")) {
      expr = subscript(std::move(expr));
    } else if (here().is_op("(")) {
      expr = call(std::move(expr));
    } else {
      return expr;
    }
  }
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr expr) {
  for (;;) {
    if (here().is_op("|")) {
      next();
      expr = filter(std::move(expr));
    } else if (here().is_name("is")) {
      expr = test(std::move(expr));
    } else if (here().is_op("(")) {
      expr = call(std::move(expr));
    } else {
      return expr;
    }
  }
}

ExprPtr ExpressionParser::attribute(ExprPtr object) {
  const int line = next().line;
  const Token& token = next();
  if (token.type == TokenType::kName) {
    ExprPtr expr = make(Expr::Kind::kGetattr, line);
    expr->name = token.text;
    adopt(*expr, std::move(object));
    return expr;
  }
  if (token.type != TokenType::kInteger) syntax("expected name or number", token.line);
  ExprPtr expr = make(Expr::Kind::kGetitem, line);
  adopt(*expr, std::move(object));
  adopt(*expr, constant(Value::integer(token.integer), token.line));
  return expr;
}

ExprPtr ExpressionParser::subscript(ExprPtr object) {
  ExprPtr expr = make(Expr::Kind::kGetitem, next().line);
  adopt(*expr, std::move(object));
  std::vector<ExprPtr> indices;
  while (!here().is_op("]")) {
    if (!indices.empty()) expect_op(",");
    indices.push_back(index());
  }
  expect_op("]");
  if (indices.size() == 1) {
    adopt(*expr, std::move(indices[0]));
    return expr;
  }
  ExprPtr all = make(Expr::Kind::kTuple, expr->line);
  for (ExprPtr& one : indices) adopt(*all, std::move(one));
  adopt(*expr, std::move(all));
  return expr;
}

ExprPtr ExpressionParser::index() {
  const int line = here().line;
  ExprPtr start;
  if (!here().is_op(":")) {
    start = expression();
    if (!here().is_op(":")) return start;
  }
  next();
  const auto part = [&]() -> ExprPtr {
    if (here().is_op(":") || here().is_op("]") || here().is_op(",")) return nullptr;
    return expression();
  };
  ExprPtr expr = make(Expr::Kind::kSlice, line);
  adopt(*expr, std::move(start));
  adopt(*expr, part());
  adopt(*expr, skip_op(":") ? part() : nullptr);
  return expr;
}

void ExpressionParser::call_arguments(Expr& expr) {
  const int line = here().line;
  const auto ensure = [&](bool valid) {
    if (!valid) syntax("invalid syntax for function call expression", line);
  };
  const auto star = [&](ExprPtr& place) {
    next();
    std::vector<ExprPtr> one;
    adopt(expr, one, expression());
    place = std::move(one[0]);
  };
  expect_op("(");
  bool comma = false;
  while (!here().is_op(")")) {
    if (comma) {
      expect_op(",");
      if (here().is_op(")")) break;
    }
    comma = true;
    if (here().is_op("*")) {
      ensure(!expr.star_arguments && !expr.star_keywords);
      star(expr.star_arguments);
    } else if (here().is_op("**")) {
      ensure(!expr.star_keywords);
      star(expr.star_keywords);
    } else if (here().type == TokenType::kName && ahead().is_op("=")) {
      ensure(!expr.star_keywords);
      keyword(expr);
    } else {
      ensure(!expr.star_arguments && !expr.star_keywords && expr.keywords.empty());
      adopt(expr, expr.arguments, expression());
    }
  }
  expect_op(")");
}

void ExpressionParser::keyword(Expr& expr) {
  const int line = here().line;
  std::string key = next().text;
  next();
  const auto same = [&](const auto& other) { return other.first == key; };
  if (std::ranges::any_of(expr.keywords, same)) syntax(fmt::format("keyword argument repeated: {}", key), line);
  std::vector<ExprPtr> one;
  adopt(expr, one, expression());
  expr.keywords.emplace_back(std::move(key), std::move(one[0]));
}

ExprPtr ExpressionParser::call(ExprPtr callee) {
  ExprPtr expr = make(Expr::Kind::kCall, here().line);
  adopt(*expr, std::move(callee));
  call_arguments(*expr);
  return expr;
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_name();
  while (skip_op(".")) name += "." + expect_name();
  return name;
}

ExprPtr ExpressionParser::filter(ExprPtr value) {
  ExprPtr expr = make(Expr::Kind::kFilter, here().line);
  expr->name = dotted_name();
  adopt(*expr, std::move(value));
  if (here().is_op("(")) call_arguments(*expr);
  return expr;
}

ExprPtr ExpressionParser::test(ExprPtr value) {
  ExprPtr expr = make(Expr::Kind::kTest, next().line);
  const bool negated = skip_name("not");
  expr->name = dotted_name();
  adopt(*expr, std::move(value));
  const bool word = here().is_name("else") || here().is_name("or") || here().is_name("and");
  if (here().is_op("(")) {
    call_arguments(*expr);
  } else if (!word && (here().type == TokenType::kName || here().type == TokenType::kString ||
                       here().type == TokenType::kInteger || here().type == TokenType::kFloat || here().is_op("[") ||
                       here().is_op("{"))) {
    if (here().is_name("is")) syntax("You cannot chain multiple tests with is");
    const Nested nested(*this);
    adopt(*expr, expr->arguments, postfix(primary()));
  }
  if (!negated) return expr;
  ExprPtr inverse = make(Expr::Kind::kUnary, expr->line);
  inverse->name = "not";
  adopt(*inverse, std::move(expr));
  return inverse;
}

std::string_view ExpressionParser::kind_name(Expr::Kind kind) {
  constexpr std::string_view kNames[] = {"const",   "name",   "nsref",  "tuple",   "list",     "dict",
                                         "unary",   "binary", "concat", "compare", "condexpr", "getattr",
                                         "getitem", "slice",  "call",   "filter",  "test"};
  return kNames[static_cast<size_t>(kind)];
}

void ExpressionParser::check_target(const Expr& target) const {
  if (target.kind == Expr::Kind::kAttribute || target.kind == Expr::Kind::kName) return;
  if (target.kind != Expr::Kind::kTuple) {
    syntax(fmt::format("can't assign to '{}'", kind_name(target.kind)), target.line);
  }
  for (const ExprPtr& item : target.items) check_target(*item);
}

ExprPtr ExpressionParser::target_item(bool with_namespace) {
  const Nested nested(*this);
  ExprPtr item = primary();
  if (with_namespace && item->kind == Expr::Kind::kName && skip_op(".")) {
    item->kind = Expr::Kind::kAttribute;
    item->attribute = expect_name();
  }
  return item;
}

ExprPtr ExpressionParser::target(bool with_namespace) {
  const int line = here().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    if (at_tuple_end()) break;
    items.push_back(target_item(with_namespace));
    if (!here().is_op(",")) break;
    is_tuple = true;
  }
  if (items.empty()) syntax(fmt::format("Expected an expression, got '{}'", describe(here())));
  ExprPtr expr;
  if (is_tuple) {
    expr = make(Expr::Kind::kTuple, line);
    for (ExprPtr& item : items) adopt(*expr, std::move(item));
  } else {
    expr = std::move(items[0]);
  }
  check_target(*expr);
  return expr;
}

}  // namespace linnet::jinja
