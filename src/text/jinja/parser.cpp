#include "text/jinja/parser.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <span>

#include "text/jinja/lexer.hpp"

namespace linnet::jinja {

namespace {

using Names = std::span<const std::string_view>;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Body run() { return statements_until({}); }

 private:
  // Counts nesting while one rule of the grammar runs.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxSyntaxDepth) parser_.too_deep();
    }
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  [[noreturn]] void too_deep() const {
    fail(FaultKind::kLimit, fmt::format("template is nested deeper than {}", kMaxSyntaxDepth), here().line);
  }
  [[noreturn]] void syntax(std::string message, int line = 0) const {
    fail(FaultKind::kSyntax, std::move(message), line != 0 ? line : here().line);
  }

  // ---- tokens

  const Token& here() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = tokens_[at_];
    if (token.type != TokenType::kEnd) ++at_;
    return token;
  }
  bool skip_op(std::string_view op) { return here().is_op(op) && (next(), true); }
  bool skip_name(std::string_view name) { return here().is_name(name) && (next(), true); }

  [[noreturn]] void unexpected(std::string_view expected) const {
    if (here().type == TokenType::kEnd) syntax(fmt::format("unexpected end of template, expected '{}'.", expected));
    syntax(fmt::format("expected token '{}', got '{}'", expected, describe(here())));
  }
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

  ExprPtr make(Expr::Kind kind, int line) const {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = line;
    return expr;
  }

  // Adds a child. Left-deep trees grow without recursion in the parser, so depth is counted here too.
  void adopt(Expr& parent, std::vector<ExprPtr>& place, ExprPtr child) const {
    if (child) {
      parent.depth = std::max(parent.depth, child->depth + 1);
      if (parent.depth > kMaxSyntaxDepth) too_deep();
    }
    place.push_back(std::move(child));
  }
  void adopt(Expr& parent, ExprPtr child) const { adopt(parent, parent.items, std::move(child)); }

  ExprPtr binary(std::string op, ExprPtr left, ExprPtr right, int line) const {
    ExprPtr expr = make(Expr::Kind::kBinary, line);
    expr->name = std::move(op);
    adopt(*expr, std::move(left));
    adopt(*expr, std::move(right));
    return expr;
  }

  ExprPtr constant(Value value, int line) const {
    ExprPtr expr = make(Expr::Kind::kConst, line);
    expr->constant = std::move(value);
    return expr;
  }

  // ---- expressions, from the loosest binding to the tightest

  ExprPtr expression(bool with_condition = true) {
    const Nested nested(*this);
    return with_condition ? condition() : disjunction();
  }

  ExprPtr condition() {
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

  ExprPtr disjunction() {
    const int line = here().line;
    ExprPtr left = conjunction();
    while (skip_name("or")) left = binary("or", std::move(left), conjunction(), line);
    return left;
  }

  ExprPtr conjunction() {
    const int line = here().line;
    ExprPtr left = negation();
    while (skip_name("and")) left = binary("and", std::move(left), negation(), line);
    return left;
  }

  ExprPtr negation() {
    if (!here().is_name("not")) return comparison();
    const Nested nested(*this);
    ExprPtr expr = make(Expr::Kind::kUnary, next().line);
    expr->name = "not";
    adopt(*expr, negation());
    return expr;
  }

  // The comparison operator here, consumed; empty where there is none.
  std::string comparison_operator() {
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

  ExprPtr comparison() {
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

  bool at_operator(std::initializer_list<std::string_view> ops) const {
    return here().type == TokenType::kOperator && std::ranges::find(ops, here().text) != ops.end();
  }

  ExprPtr sum() {
    const int line = here().line;
    ExprPtr left = concatenation();
    while (at_operator({"+", "-"})) {
      std::string op = next().text;
      left = binary(std::move(op), std::move(left), concatenation(), line);
    }
    return left;
  }

  ExprPtr concatenation() {
    const int line = here().line;
    ExprPtr first = product();
    if (!here().is_op("~")) return first;
    ExprPtr expr = make(Expr::Kind::kConcat, line);
    adopt(*expr, std::move(first));
    while (skip_op("~")) adopt(*expr, product());
    return expr;
  }

  ExprPtr product() {
    const int line = here().line;
    ExprPtr left = power();
    while (at_operator({"*", "/", "//", "%"})) {
      std::string op = next().text;
      left = binary(std::move(op), std::move(left), power(), line);
    }
    return left;
  }

  ExprPtr power() {
    const int line = here().line;
    ExprPtr left = unary(true);
    while (skip_op("**")) left = binary("**", std::move(left), unary(true), line);
    return left;
  }

  ExprPtr unary(bool with_filter) {
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

  ExprPtr primary() {
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

  ExprPtr name_or_constant() {
    const Token& token = next();
    const std::string& name = token.text;
    if (name == "true" || name == "True") return constant(Value::boolean(true), token.line);
    if (name == "false" || name == "False") return constant(Value::boolean(false), token.line);
    if (name == "none" || name == "None") return constant(Value(), token.line);
    ExprPtr expr = make(Expr::Kind::kName, token.line);
    expr->name = name;
    return expr;
  }

  bool at_tuple_end() const {
    return here().type == TokenType::kVariableEnd || here().type == TokenType::kBlockEnd || here().is_op(")");
  }

  // One expression, or a tuple of them where there is a comma.
  ExprPtr tuple(bool with_condition, bool parenthesized) {
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

  ExprPtr list() {
    ExprPtr expr = make(Expr::Kind::kList, next().line);
    while (!here().is_op("]")) {
      if (!expr->items.empty()) expect_op(",");
      if (here().is_op("]")) break;
      adopt(*expr, expression());
    }
    expect_op("]");
    return expr;
  }

  ExprPtr dict() {
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

  ExprPtr postfix(ExprPtr expr) {
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

  ExprPtr filters_and_tests(ExprPtr expr) {
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

  ExprPtr attribute(ExprPtr object) {
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

  ExprPtr subscript(ExprPtr object) {
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

  ExprPtr index() {
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

  // "(a, *b, c=d, **e)" into `expr`.
  void call_arguments(Expr& expr) {
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

  void keyword(Expr& expr) {
    const int line = here().line;
    std::string key = next().text;
    next();
    const auto same = [&](const auto& other) { return other.first == key; };
    if (std::ranges::any_of(expr.keywords, same)) syntax(fmt::format("keyword argument repeated: {}", key), line);
    std::vector<ExprPtr> one;
    adopt(expr, one, expression());
    expr.keywords.emplace_back(std::move(key), std::move(one[0]));
  }

  ExprPtr call(ExprPtr callee) {
    ExprPtr expr = make(Expr::Kind::kCall, here().line);
    adopt(*expr, std::move(callee));
    call_arguments(*expr);
    return expr;
  }

  std::string dotted_name() {
    std::string name = expect_name();
    while (skip_op(".")) name += "." + expect_name();
    return name;
  }

  ExprPtr filter(ExprPtr value) {
    ExprPtr expr = make(Expr::Kind::kFilter, here().line);
    expr->name = dotted_name();
    adopt(*expr, std::move(value));
    if (here().is_op("(")) call_arguments(*expr);
    return expr;
  }

  ExprPtr test(ExprPtr value) {
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

  // ---- targets of assignments

  static std::string_view kind_name(Expr::Kind kind) {
    constexpr std::string_view kNames[] = {"const",   "name",   "nsref",  "tuple",   "list",     "dict",
                                           "unary",   "binary", "concat", "compare", "condexpr", "getattr",
                                           "getitem", "slice",  "call",   "filter",  "test"};
    return kNames[static_cast<size_t>(kind)];
  }

  void check_target(const Expr& target) const {
    if (target.kind == Expr::Kind::kAttribute || target.kind == Expr::Kind::kName) return;
    if (target.kind != Expr::Kind::kTuple) {
      syntax(fmt::format("can't assign to '{}'", kind_name(target.kind)), target.line);
    }
    for (const ExprPtr& item : target.items) check_target(*item);
  }

  ExprPtr target_item(bool with_namespace) {
    const Nested nested(*this);
    ExprPtr item = primary();
    if (with_namespace && item->kind == Expr::Kind::kName && skip_op(".")) {
      item->kind = Expr::Kind::kAttribute;
      item->attribute = expect_name();
    }
    return item;
  }

  ExprPtr target(bool with_namespace) {
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

  // ---- statements

  using StmtPtr = std::unique_ptr<Stmt>;

  StmtPtr statement(Stmt::Kind kind, int line) const {
    auto stmt = std::make_unique<Stmt>();
    stmt->kind = kind;
    stmt->line = line;
    return stmt;
  }

  // Statements up to a tag whose name is in `ends`, which stays the current token.
  Body statements_until(Names ends) {
    Body body;
    for (;;) {
      const Token& token = here();
      if (token.type == TokenType::kEnd) return body;
      if (token.type == TokenType::kData) {
        body.push_back(statement(Stmt::Kind::kData, token.line));
        body.back()->text = next().text;
      } else if (token.type == TokenType::kVariableBegin) {
        next();
        body.push_back(statement(Stmt::Kind::kPrint, token.line));
        body.back()->exprs.push_back(tuple(true, false));
        expect(TokenType::kVariableEnd);
      } else {
        expect(TokenType::kBlockBegin);
        if (here().type == TokenType::kName && std::ranges::find(ends, here().text) != ends.end()) return body;
        body.push_back(tag());
        expect(TokenType::kBlockEnd);
      }
    }
  }

  // The body of a statement: from the end of its tag to one of `ends`, whose name is returned by end_name().
  Body block(std::initializer_list<std::string_view> ends) {
    const Nested nested(*this);
    skip_op(":");
    expect(TokenType::kBlockEnd);
    open_.push_back({ends.begin(), ends.end()});
    Body body = statements_until(open_.back());
    if (here().type == TokenType::kEnd) unclosed("Unexpected end of template.", "");
    open_.pop_back();
    end_name_ = next().text;
    return body;
  }

  // jinja2's explanation of a tag that is not expected here.
  [[noreturn]] void unclosed(std::string message, std::string_view name) const {
    if (!open_.empty()) {
      std::string wanted;
      bool nesting = false;
      for (const auto& names : open_) nesting |= std::ranges::find(names, name) != names.end();
      for (const std::string_view end : open_.back()) {
        wanted += fmt::format("{}'{}'", wanted.empty() ? "" : " or ", end);
      }
      message += nesting
                     ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for " +
                           wanted + "."
                     : " Jinja was looking for the following tags: " + wanted + ".";
    }
    if (!tags_.empty()) message += fmt::format(" The innermost block that needs to be closed is '{}'.", tags_.back());
    syntax(std::move(message));
  }

  StmtPtr tag() {
    const Token& token = here();
    if (token.type != TokenType::kName) syntax("tag name expected", token.line);
    struct Rule {
      std::string_view name;
      StmtPtr (Parser::*parse)();
    };
    constexpr Rule kRules[] = {
        {"for", &Parser::for_loop},
        {"if", &Parser::if_chain},
        {"set", &Parser::set},
        {"macro", &Parser::macro},
        {"call", &Parser::call_block},
        {"filter", &Parser::filter_block},
        {"with", &Parser::with},
        {"print", &Parser::print},
        {"block", &Parser::named_block},
        {"autoescape", &Parser::autoescape},
        {"generation", &Parser::generation},
        {"break", &Parser::break_or_continue},
        {"continue", &Parser::break_or_continue},
        {"include", &Parser::refused},
        {"import", &Parser::refused},
        {"from", &Parser::refused},
        {"extends", &Parser::refused},
    };
    for (const Rule& rule : kRules) {
      if (rule.name != token.text) continue;
      tags_.push_back(token.text);
      StmtPtr stmt = (this->*rule.parse)();
      tags_.pop_back();
      return stmt;
    }
    unclosed(fmt::format("Encountered unknown tag '{}'.", token.text), token.text);
  }

  StmtPtr refused() {
    fail(FaultKind::kUnsupported,
         fmt::format("the tag '{}' needs another template file, and a model has only its own", here().text),
         here().line);
  }

  StmtPtr for_loop() {
    StmtPtr stmt = statement(Stmt::Kind::kFor, next().line);
    stmt->target = target(false);
    if (!skip_name("in")) unexpected("in");
    stmt->exprs.push_back(tuple(false, false));
    stmt->exprs.push_back(skip_name("if") ? expression() : nullptr);
    stmt->recursive = skip_name("recursive");
    stmt->bodies.push_back(block({"endfor", "else"}));
    if (end_name_ == "else") stmt->bodies.push_back(block({"endfor"}));
    return stmt;
  }

  StmtPtr if_chain() {
    StmtPtr stmt = statement(Stmt::Kind::kIf, here().line);
    do {
      if (stmt->exprs.empty()) next();
      stmt->exprs.push_back(tuple(false, false));
      stmt->bodies.push_back(block({"elif", "else", "endif"}));
    } while (end_name_ == "elif");
    if (end_name_ == "else") stmt->bodies.push_back(block({"endif"}));
    return stmt;
  }

  StmtPtr set() {
    const int line = next().line;
    ExprPtr where = target(true);
    StmtPtr stmt = statement(skip_op("=") ? Stmt::Kind::kSet : Stmt::Kind::kSetBlock, line);
    stmt->target = std::move(where);
    if (stmt->kind == Stmt::Kind::kSet) {
      stmt->exprs.push_back(tuple(true, false));
      return stmt;
    }
    ExprPtr chain;
    while (skip_op("|")) chain = filter(std::move(chain));
    stmt->exprs.push_back(std::move(chain));
    stmt->bodies.push_back(block({"endset"}));
    return stmt;
  }

  void signature(Signature& out) {
    expect_op("(");
    while (!here().is_op(")")) {
      if (!out.names.empty()) expect_op(",");
      const int line = here().line;
      std::string name = expect_name();
      if (std::ranges::find(out.names, name) != out.names.end()) {
        syntax(fmt::format("duplicate argument '{}'", name), line);
      }
      out.names.push_back(std::move(name));
      if (skip_op("=")) {
        out.defaults.push_back(expression());
      } else if (!out.defaults.empty()) {
        syntax("non-default argument follows default argument");
      }
    }
    expect_op(")");
  }

  StmtPtr macro() {
    StmtPtr stmt = statement(Stmt::Kind::kMacro, next().line);
    stmt->text = expect_name();
    signature(stmt->signature);
    stmt->bodies.push_back(block({"endmacro"}));
    return stmt;
  }

  StmtPtr call_block() {
    StmtPtr stmt = statement(Stmt::Kind::kCallBlock, next().line);
    if (here().is_op("(")) signature(stmt->signature);
    stmt->exprs.push_back(expression());
    if (stmt->exprs[0]->kind != Expr::Kind::kCall) syntax("expected call", stmt->line);
    stmt->bodies.push_back(block({"endcall"}));
    return stmt;
  }

  StmtPtr filter_block() {
    StmtPtr stmt = statement(Stmt::Kind::kFilterBlock, next().line);
    ExprPtr chain = filter(nullptr);
    while (skip_op("|")) chain = filter(std::move(chain));
    stmt->exprs.push_back(std::move(chain));
    stmt->bodies.push_back(block({"endfilter"}));
    return stmt;
  }

  StmtPtr with() {
    StmtPtr stmt = statement(Stmt::Kind::kWith, next().line);
    while (here().type != TokenType::kBlockEnd) {
      if (!stmt->targets.empty()) expect_op(",");
      stmt->targets.push_back(target(false));
      expect_op("=");
      stmt->exprs.push_back(expression());
    }
    stmt->bodies.push_back(block({"endwith"}));
    return stmt;
  }

  StmtPtr print() {
    StmtPtr stmt = statement(Stmt::Kind::kPrint, next().line);
    while (here().type != TokenType::kBlockEnd) {
      if (!stmt->exprs.empty()) expect_op(",");
      stmt->exprs.push_back(expression());
    }
    return stmt;
  }

  StmtPtr named_block() {
    StmtPtr stmt = statement(Stmt::Kind::kBlock, next().line);
    stmt->text = expect_name();
    if (here().is_name("scoped") || here().is_name("required")) {
      fail(FaultKind::kUnsupported, fmt::format("blocks that are {} are not supported", here().text), here().line);
    }
    stmt->bodies.push_back(block({"endblock"}));
    skip_name(stmt->text);
    return stmt;
  }

  StmtPtr autoescape() {
    StmtPtr stmt = statement(Stmt::Kind::kScope, next().line);
    const ExprPtr value = expression();
    if (value->kind != Expr::Kind::kConst || truthy(value->constant)) {
      fail(FaultKind::kUnsupported, "autoescape is not supported: a prompt is not HTML", stmt->line);
    }
    stmt->bodies.push_back(block({"endautoescape"}));
    return stmt;
  }

  StmtPtr generation() {
    StmtPtr stmt = statement(Stmt::Kind::kGeneration, next().line);
    stmt->bodies.push_back(block({"endgeneration"}));
    return stmt;
  }

  StmtPtr break_or_continue() {
    const Token& token = next();
    return statement(token.text == "break" ? Stmt::Kind::kBreak : Stmt::Kind::kContinue, token.line);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  std::string end_name_;
  std::vector<std::vector<std::string_view>> open_;  // the tags that would close each open block
  std::vector<std::string> tags_;                    // the open tags
};

}  // namespace

Body parse(std::string_view source) {
  Body body = Parser(source).run();
  analyze(body);
  return body;
}

}  // namespace linnet::jinja
