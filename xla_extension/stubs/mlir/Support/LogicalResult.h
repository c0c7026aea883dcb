#include "mlir/IR/Diagnostics.h"
