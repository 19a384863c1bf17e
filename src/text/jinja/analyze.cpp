#include <algorithm>
#include <fmt/format.h>

#include "text/jinja/ast.hpp"

namespace linnet::jinja {

namespace {

class Analyzer {
 public:
  void body(Body& statements) {
    for (const std::unique_ptr<Stmt>& stmt : statements) statement(*stmt);
  }

 private:
  // A macro whose body is being walked, and which special names it has bound itself.
  struct OpenMacro {
    Signature* signature;
    bool binds_caller = false;
    bool binds_kwargs = false;
    bool binds_varargs = false;
  };

  // Names a value reads.
  void load(const std::string& name) {
    if (name == "loop") {
      for (Stmt* loop : loops_) loop->uses_loop = true;
    }
    for (OpenMacro& open : macros_) {
      if (name == "caller" && !open.binds_caller) open.signature->uses_caller = true;
      if (name == "kwargs" && !open.binds_kwargs) open.signature->uses_kwargs = true;
      if (name == "varargs" && !open.binds_varargs) open.signature->uses_varargs = true;
    }
  }

  void store(const std::string& name, int line) {
    if (name == "loop" && for_depth_ > 0) {
      fail(FaultKind::kSyntax, "Can't assign to special loop variable in for-loop target", line);
    }
    for (OpenMacro& open : macros_) {
      open.binds_caller |= name == "caller";
      open.binds_kwargs |= name == "kwargs";
      open.binds_varargs |= name == "varargs";
    }
  }

  void target(const Expr& expr) {
    if (expr.kind == Expr::Kind::kName) {
      store(expr.name, expr.line);
    } else if (expr.kind == Expr::Kind::kAttribute) {
      load(expr.name);
    } else {
      for (const ExprPtr& item : expr.items) target(*item);
    }
  }

  void expression(const Expr* expr) {
    if (!expr) return;
    const bool filter = expr->kind == Expr::Kind::kFilter;
    if ((filter && !is_filter_name(expr->name)) || (expr->kind == Expr::Kind::kTest && !is_test_name(expr->name))) {
      // Inside an if, jinja2 leaves it to the moment when it is used.
      if (!soft_) {
        fail(FaultKind::kSyntax, fmt::format("No {} named '{}'.", filter ? "filter" : "test", expr->name), expr->line);
      }
    }
    if (expr->kind == Expr::Kind::kName) load(expr->name);
    const bool soft = soft_;
    soft_ |= expr->kind == Expr::Kind::kCondition;
    for (const ExprPtr& item : expr->items) expression(item.get());
    for (const ExprPtr& argument : expr->arguments) expression(argument.get());
    for (const auto& [key, value] : expr->keywords) expression(value.get());
    expression(expr->star_arguments.get());
    expression(expr->star_keywords.get());
    soft_ = soft;
  }

  // A body with variables of its own: what is soft outside is not soft in it.
  void inner(Body& statements) {
    const bool soft = std::exchange(soft_, false);
    body(statements);
    soft_ = soft;
  }

  // The body of a macro or call block: also out of reach of break and continue.
  void function(Stmt& stmt) {
    const int loops = std::exchange(loop_depth_, 0);
    macros_.push_back({&stmt.signature});
    for (const std::string& name : stmt.signature.names) store_argument(name);
    const bool soft = std::exchange(soft_, false);
    for (const ExprPtr& value : stmt.signature.defaults) expression(value.get());
    soft_ = soft;
    inner(stmt.bodies[0]);
    macros_.pop_back();
    loop_depth_ = loops;
  }

  void store_argument(const std::string& name) {
    OpenMacro& open = macros_.back();
    open.binds_kwargs |= name == "kwargs";
    open.binds_varargs |= name == "varargs";
    open.binds_caller |= name == "caller";
  }

  void for_loop(Stmt& stmt) {
    expression(stmt.exprs[0].get());
    ++for_depth_;
    target(*stmt.target);
    const bool soft = std::exchange(soft_, false);
    expression(stmt.exprs[1].get());
    soft_ = soft;
    loops_.push_back(&stmt);
    ++loop_depth_;
    inner(stmt.bodies[0]);
    --loop_depth_;
    loops_.pop_back();
    if (stmt.bodies.size() > 1) inner(stmt.bodies[1]);
    --for_depth_;
    stmt.uses_loop |= stmt.recursive;
  }

  void if_chain(Stmt& stmt) {
    const bool soft = std::exchange(soft_, true);
    for (const ExprPtr& test : stmt.exprs) expression(test.get());
    for (Body& one : stmt.bodies) body(one);
    soft_ = soft;
  }

  void statement(Stmt& stmt) {
    switch (stmt.kind) {
      case Stmt::Kind::kFor:
        return for_loop(stmt);
      case Stmt::Kind::kIf:
        return if_chain(stmt);
      case Stmt::Kind::kMacro:
        store(stmt.text, stmt.line);
        return function(stmt);
      case Stmt::Kind::kCallBlock:
        expression(stmt.exprs[0].get());
        return function(stmt);
      case Stmt::Kind::kGeneration:
        return function(stmt);
      case Stmt::Kind::kBreak:
      case Stmt::Kind::kContinue:
        if (loop_depth_ == 0) {
          fail(FaultKind::kSyntax,
               stmt.kind == Stmt::Kind::kBreak ? "'break' outside loop" : "'continue' not properly in loop", stmt.line);
        }
        return;
      default:
        break;
    }
    for (const ExprPtr& expr : stmt.exprs) expression(expr.get());
    if (stmt.target) target(*stmt.target);
    for (const ExprPtr& one : stmt.targets) target(*one);
    for (Body& one : stmt.bodies) inner(one);
  }

  std::vector<OpenMacro> macros_;
  std::vector<Stmt*> loops_;
  int for_depth_ = 0;   // in any part of a for statement
  int loop_depth_ = 0;  // in the body of one, within the same function
  bool soft_ = false;
};

}  // namespace

void analyze(Body& body) {
  Analyzer().body(body);
}

}  // namespace linnet::jinja
