//! Placeholder.
use std::sync::Arc;
/// placeholder
#[derive(Clone)]
pub struct Array(Arc<f32>);
impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
impl From<f32> for Array {
    fn from(x: f32) -> Self {
        Array(Arc::new(x))
    }
}
macro_rules! op { ($($tr:ident $f:ident $op:tt, $l:ty, $r:ty;)*) => {$(
    impl std::ops::$tr<$r> for $l { type Output = Array; fn $f(self, r: $r) -> Array { Array::from(*self.0 $op *r.0) } }
)*}}
op! { Sub sub -, &Array, &Array; Sub sub -, &Array, Array; Sub sub -, Array, Array; Sub sub -, Array, &Array;
Add add +, &Array, &Array; Add add +, &Array, Array; Add add +, Array, Array; Add add +, Array, &Array;
Mul mul *, &Array, &Array; Mul mul *, &Array, Array; Mul mul *, Array, Array; Mul mul *, Array, &Array; }
impl std::ops::Mul<f32> for &Array {
    type Output = Array;
    fn mul(self, r: f32) -> Array {
        Array::from(*self.0 * r)
    }
}
impl std::ops::Mul<f32> for Array {
    type Output = Array;
    fn mul(self, r: f32) -> Array {
        Array::from(*self.0 * r)
    }
}
