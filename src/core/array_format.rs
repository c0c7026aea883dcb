//! How arrays are printed: as NumPy does.

use std::fmt;

use crate::core::array::{Array, Repr};
use crate::core::scalar::Scalar;
use crate::core::transfer::Transfer;

/// Prints the value as NumPy does, with as many places as are asked for (`{:.2}`), large arrays by their ends; a tracer as JAX
/// does: `JitTracer(float32[2,3])`.
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Repr::Tracer(t) = &self.0 {
            let aval = t.aval();
            let sizes: Vec<String> = aval.shape().iter().map(usize::to_string).collect();
            let name = format!("{}[{}]", aval.dtype().name(), sizes.join(","));
            return match aval.is_ref() {
                true => write!(f, "{}(Ref{{{name}}})", t.kind_name()),
                false => write!(f, "{}({name})", t.kind_name()),
            };
        }
        if let Repr::Ref(cell) = &self.0 {
            return match cell.lock().value() {
                Ok(value) => {
                    write!(f, "Ref({value}, dtype={}", value.dtype().name())?;
                    f.write_str(if value.weak_type() { ", weak_type=True)" } else { ")" })
                }
                Err(e) => write!(f, "<{}: {}>", cell.aval, e.message()),
            };
        }
        write_value(self, f, fmt::Display::fmt)
    }
}

/// Prints the value in scientific notation, with as many places as are asked for: `{:.3e}`.
///
/// ```
/// use raxla::Array;
///
/// assert_eq!(format!("{:.1e}", Array::from([1234.5f32, 0.1])), "[1.2e3 1.0e-1]");
/// assert_eq!(format!("{:.2}", Array::from([1234.5f32, 0.1])), "[1234.50 0.10]");
/// ```
impl fmt::LowerExp for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_tracer() {
            return fmt::Display::fmt(self, f);
        }
        write_value(self, f, fmt::LowerExp::fmt)
    }
}

/// The value of an array that is no tracer, each element by `element`; or why there is none.
fn write_value(
    x: &Array,
    f: &mut fmt::Formatter<'_>,
    element: fn(&Scalar, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let bytes = match x.read(Transfer::Implicit) {
        Ok(bytes) => bytes,
        Err(e) => return write!(f, "<{}: {}>", x.aval(), e.message()),
    };
    let dtype = x.dtype();
    let elements: Vec<Scalar> =
        bytes.chunks_exact(dtype.size()).map(|b| Scalar::from_bytes(dtype, b)).collect();
    write_nested(f, &elements, x.shape(), 0, elements.len() > MAX_PRINTED, element)
}

/// Of arrays with more elements than this, axes of more than six show their first and last three.
const MAX_PRINTED: usize = 1000;

fn write_nested(
    f: &mut fmt::Formatter<'_>,
    elements: &[Scalar],
    shape: &[usize],
    depth: usize,
    summarised: bool,
    element: fn(&Scalar, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let Some((&n, rest)) = shape.split_first() else {
        return match elements.first() {
            Some(x) => element(x, f),
            None => Ok(()),
        };
    };
    let stride: usize = rest.iter().product();
    let between = |f: &mut fmt::Formatter<'_>| {
        if rest.is_empty() {
            return f.write_str(" ");
        }
        // NumPy puts an empty line more between blocks of more axes.
        f.write_str(&"\n".repeat(rest.len()))?;
        write!(f, "{:1$}", "", depth + 1)
    };
    f.write_str("[")?;
    for i in 0..n {
        let skip = summarised && n > 6 && (3..n - 3).contains(&i);
        if i > 0 && (!skip || i == 3) {
            between(f)?;
        }
        if !skip {
            write_nested(f, &elements[i * stride..(i + 1) * stride], rest, depth + 1, summarised, element)?;
        } else if i == 3 {
            f.write_str("...")?;
        }
    }
    f.write_str("]")
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.0, Repr::Tracer(_) | Repr::Ref(_)) {
            return fmt::Display::fmt(self, f);
        }
        f.write_str("Array(")?;
        fmt::Display::fmt(self, f)?;
        write!(f, ", dtype={}{})", self.dtype().name(), if self.weak_type() { ", weak" } else { "" })
    }
}
