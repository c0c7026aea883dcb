// Stands in for MLIR's header: stablehlo/dialect/Version.h only names these types.
#pragma once
namespace llvm { template <typename T> class FailureOr; }
namespace mlir {
class Diagnostic;
using llvm::FailureOr;
}  // namespace mlir
