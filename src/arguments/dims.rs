//! Shapes, and shapes with a dtype. JAX: `core.canonicalize_shape`, `jax.ShapeDtypeStruct`.

use smallvec::SmallVec;

use crate::arguments::{Integer, Integers, from_lists};
use crate::dtype::DType;
use crate::error::{Result, bail};

/// A shape: sizes as an integer, a tuple, an array, a slice or a `Vec` of them; `()` is a scalar's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dims(Integers);

impl Dims {
    /// The sizes.
    ///
    /// # Errors
    /// `zeros: shape (2, -1) has a negative size`; more elements than 64 bits count.
    pub(crate) fn shape(&self, name: &str) -> Result<SmallVec<[usize; 4]>> {
        if self.0.iter().any(|size| *size < 0) {
            bail!(InvalidArgument, "{name}: shape {} has a negative size", tuple(&self.0));
        }
        // Bytes are counted in 64 bits, of elements of up to sixteen.
        let size = self
            .0
            .iter()
            .filter(|size| **size != 0)
            .try_fold(16i64, |product, size| product.checked_mul(*size));
        if size.is_none() {
            bail!(InvalidArgument, "{name}: shape {} has more elements than can be counted", tuple(&self.0));
        }
        Ok(self.0.iter().map(|size| *size as usize).collect())
    }
}

from_lists!(Dims, Dims);

/// A shape to bring an array to: as [`Dims`], but one size may be -1, which is computed from the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewDims(Integers);

impl NewDims {
    /// The shape for an array of `size` elements, whose shape is `from`.
    ///
    /// # Errors
    /// `reshape: cannot reshape array of shape (6,) (size 6) into shape (4, -1)`, more than one -1, other negative sizes.
    pub(crate) fn resolve(&self, name: &str, from: &[usize]) -> Result<SmallVec<[usize; 4]>> {
        if self.0.iter().filter(|size| **size == -1).count() > 1 {
            bail!(InvalidArgument, "{name}: shape {} has more than one -1", tuple(&self.0));
        }
        if self.0.iter().any(|size| *size < -1) {
            bail!(InvalidArgument, "{name}: shape {} has a negative size other than -1", tuple(&self.0));
        }
        let size: usize = from.iter().product();
        let known = self.0.iter().filter(|n| **n != -1).try_fold(1usize, |p, n| p.checked_mul(*n as usize));
        let inferred = match known {
            Some(0) => (size == 0).then_some(0),
            Some(known) => size.is_multiple_of(known).then_some(size / known),
            None => None,
        };
        let fits = if self.0.contains(&-1) { inferred.is_some() } else { known == Some(size) };
        if !fits {
            let from: Integers = from.iter().map(|n| *n as i64).collect();
            let into = tuple(&self.0);
            bail!(
                Shape,
                "{name}: cannot reshape array of shape {} (size {size}) into shape {into}",
                tuple(&from)
            );
        }
        Ok(self.0.iter().map(|n| if *n == -1 { inferred.unwrap_or(0) } else { *n as usize }).collect())
    }
}

from_lists!(NewDims, NewDims);

/// How far elements are moved: an integer, or as many as there are axes. JAX: `shift` of `jnp.roll`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shifts(Integers);

impl Shifts {
    /// The numbers as they were given.
    pub(crate) fn get(&self) -> &[i64] {
        &self.0
    }
}

from_lists!(Shifts, Shifts);

/// A shape and, if it was given one, a dtype: `[2, 3]`, `([2, 3], DType::BF16)`, `((), DType::I32)`. JAX:
/// `shape` and `dtype` of constructors, `jax.ShapeDtypeStruct`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShapeDtype {
    dims: Dims,
    dtype: Option<DType>,
}

impl ShapeDtype {
    /// The shape and the dtype, `default` if none was given.
    ///
    /// # Errors
    /// `zeros: shape (2, -1) has a negative size`.
    pub(crate) fn resolve(&self, name: &str, default: DType) -> Result<(SmallVec<[usize; 4]>, DType)> {
        Ok((self.dims.shape(name)?, self.dtype.unwrap_or(default)))
    }

    /// The dtype, if it was given one.
    pub fn dtype(&self) -> Option<DType> {
        self.dtype
    }
}

impl<D: Into<Dims>> From<D> for ShapeDtype {
    fn from(dims: D) -> Self {
        ShapeDtype { dims: dims.into(), dtype: None }
    }
}

impl<D: Into<Dims>> From<(D, DType)> for ShapeDtype {
    fn from((dims, dtype): (D, DType)) -> Self {
        ShapeDtype { dims: dims.into(), dtype: Some(dtype) }
    }
}

/// As Python prints it.
fn tuple(sizes: &[i64]) -> String {
    let listed: Vec<String> = sizes.iter().map(i64::to_string).collect();
    match sizes {
        [one] => format!("({one},)"),
        _ => format!("({})", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_said_in_many_types_and_mean_the_same() {
        let expected = Dims(SmallVec::from_slice(&[2, 3]));
        let sizes = [2usize, 3];
        assert_eq!(Dims::from([2, 3]), expected);
        assert_eq!(Dims::from((2, 3usize)), expected);
        assert_eq!(Dims::from(&sizes), expected);
        assert_eq!(Dims::from(&sizes[..]), expected);
        assert_eq!(Dims::from(sizes.to_vec()), expected);
        assert_eq!(Dims::from(&SmallVec::<[usize; 4]>::from_slice(&sizes)), expected);
        assert_eq!(Dims::from(4).shape("f").unwrap()[..], [4]);
        assert!(Dims::from(()).shape("f").unwrap().is_empty());
    }

    #[test]
    fn a_negative_size_is_refused() {
        let e = Dims::from((2, -1)).shape("zeros").unwrap_err();
        assert_eq!(e.message(), "zeros: shape (2, -1) has a negative size");
    }

    #[test]
    fn a_shape_that_cannot_exist_is_refused() {
        let e = Dims::from((1i64 << 40, 1i64 << 40)).shape("zeros").unwrap_err();
        let expected = "zeros: shape (1099511627776, 1099511627776) has more elements than can be counted";
        assert_eq!(e.message(), expected);
        // An array without elements may be as long as it likes.
        assert!(Dims::from((0, 1i64 << 40)).shape("zeros").is_ok());
    }

    #[test]
    fn one_new_size_is_computed_from_the_others() {
        let resolve = |dims: NewDims, from: &[usize]| dims.resolve("reshape", from).map(|s| s.to_vec());
        assert_eq!(resolve((-1, 2usize).into(), &[6]).unwrap(), [3, 2]);
        assert_eq!(resolve((-1).into(), &[2, 3]).unwrap(), [6]);
        assert_eq!(resolve((-1).into(), &[]).unwrap(), [1]);
        assert!(resolve(().into(), &[1, 1]).unwrap().is_empty());
        assert_eq!(resolve((-1, 0).into(), &[0, 4]).unwrap(), [0, 0]);
        let message = |dims: NewDims, from: &[usize]| resolve(dims, from).unwrap_err().message().to_owned();
        assert_eq!(
            message((4, -1).into(), &[6]),
            "reshape: cannot reshape array of shape (6,) (size 6) into shape (4, -1)"
        );
        assert_eq!(message((-1, -1).into(), &[6]), "reshape: shape (-1, -1) has more than one -1");
        assert_eq!(message((-2, 3).into(), &[6]), "reshape: shape (-2, 3) has a negative size other than -1");
    }

    #[test]
    fn a_dtype_may_stand_beside_a_shape() {
        let resolved =
            |s: ShapeDtype| s.resolve("f", DType::F32).map(|(shape, dtype)| (shape.to_vec(), dtype));
        assert_eq!(resolved([2, 3].into()).unwrap(), (vec![2, 3], DType::F32));
        assert_eq!(resolved((2, 3).into()).unwrap(), (vec![2, 3], DType::F32));
        assert_eq!(resolved(((2, 3), DType::I8).into()).unwrap(), (vec![2, 3], DType::I8));
        assert_eq!(resolved((5, DType::I8).into()).unwrap(), (vec![5], DType::I8));
        assert_eq!(resolved(((), DType::I8).into()).unwrap(), (vec![], DType::I8));
    }
}
