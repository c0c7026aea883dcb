// Stands in for MLIR's header, which the wheel's own headers need and which itself needs LLVM's, which the wheel lacks.
// XLA's client headers only name these types. The plugin makes a context and owns one module, so the two types that it
// makes have the size, the constructor and the destructor of the real ones (one pointer each); the library has the bodies.
#pragma once
namespace mlir {
class DialectRegistry;

class Operation {
 public:
  void erase();
};

class MLIRContext {
 public:
  enum class Threading { DISABLED, ENABLED };
  explicit MLIRContext(Threading);
  ~MLIRContext();
  MLIRContext(const MLIRContext&) = delete;

 private:
  void* impl_;
};

class ModuleOp {
 public:
  ModuleOp() = default;
  Operation* operation() const { return state_; }

 private:
  Operation* state_ = nullptr;
};

template <typename Op>
class OwningOpRef {
 public:
  OwningOpRef(OwningOpRef&& other) : op_(other.op_) { other.op_ = Op(); }
  OwningOpRef(const OwningOpRef&) = delete;
  ~OwningOpRef() {
    if (op_.operation() != nullptr) op_.operation()->erase();
  }
  Op get() const { return op_; }

 private:
  Op op_;
};
}  // namespace mlir
