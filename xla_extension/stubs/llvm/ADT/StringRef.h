// Stands in for LLVM's header: stablehlo/dialect/Version.h only names these types.
#pragma once
namespace llvm {
class StringRef;
class raw_ostream;
}  // namespace llvm
