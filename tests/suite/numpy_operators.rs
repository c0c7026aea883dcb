//! Operators on arrays and numbers, comparisons that read values, indices as they are written.

use raxla::numpy::{self as jnp, NewAxis, ReduceOptions};
use raxla::{Array, DType, ErrorKind, grad, jit, lax, random};

#[test]
fn numbers_on_either_side_keep_the_arrays_dtype() {
    let x = Array::from([1i8, 2]);
    for y in [&x + 1, 1 + &x, &x * 2, 7 - &x, &x % 2, -&x, &x << 1, &x & 1, !&x] {
        assert_eq!((y.dtype(), y.weak_type()), (DType::I8, false));
    }
    assert_eq!((&x / 2).to_vec::<f32>().unwrap(), [0.5, 1.0]);
    assert_eq!((1.5 + &x).dtype(), DType::F32);
    let mut y = Array::from([1.0f32, 2.0]);
    y += 1;
    y *= &x;
    assert_eq!(y.to_vec::<f32>().unwrap(), [2.0, 6.0]);
}

#[test]
fn a_condition_on_a_value_works_outside_of_jit_and_under_grad() {
    let f = |x: &Array| if *x > 0.0 { x * 3.0 } else { x * 5.0 };
    assert_eq!(f(&Array::from(2.0)).item::<f32>().unwrap(), 6.0);
    assert_eq!(grad(f)(&Array::from(-2.0)).unwrap().item::<f32>().unwrap(), 5.0);
    let nan = Array::from(f32::NAN);
    assert!(nan != nan.clone());
    let (one, float_one, two) = (Array::from(1), Array::from(1.0), Array::from(2));
    assert!(one == float_one && two <= two.clone());
}

#[test]
fn a_condition_on_a_tracer_of_jit_is_an_error() {
    let e = jit(|x: &Array| if *x > 0.0 { x * 3.0 } else { x * 5.0 })(&Array::from(2.0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TracerBoolConversion);
    assert!(e.location().is_some_and(|at| at.file().ends_with("numpy_operators.rs")), "{e}");
}

#[test]
fn errors_have_the_line_of_the_operator() {
    let e =
        jit(|x: &Array| x + lax::full(([4], DType::F32), 0))(&Array::from([1.0f32, 2.0, 3.0])).unwrap_err();
    assert_eq!(
        e.message(),
        "add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1"
    );
    assert!(e.location().is_some_and(|at| at.file().ends_with("numpy_operators.rs")), "{e}");
}

#[test]
fn indices_read_as_in_python() {
    let x = jnp::arange(24).reshape([2, 3, 4]);
    assert_eq!(x.index((0, .., 1..3)).shape(), [3, 2]);
    assert_eq!(x.index((.., NewAxis, 0)).shape(), [2, 3, 1]);
    assert_eq!(x.index(jnp::greater(&x, 20)).to_vec::<i32>().unwrap(), [21, 22, 23]);
    let y = x.at((1, .., jnp::step(.., 2))).set(0);
    assert_eq!(y.sum(..).item::<i32>().unwrap(), 276 - (12 + 14 + 16 + 18 + 20 + 22));
    assert_eq!(jnp::mean_with(&x, (0, -1), ReduceOptions::new().keepdims(true)).shape(), [1, 3, 1]);
    // With a number the mask needs no known value.
    let clipped = jit(|x: &Array| x.at(jnp::less(x, 0)).set(0))(&Array::from([-1, 2])).unwrap();
    assert_eq!(clipped.to_vec::<i32>().unwrap(), [0, 2]);
}

#[test]
fn arrays_and_keys_are_iterated_over_along_the_first_axis() -> raxla::Result<()> {
    let x = Array::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    let sums: Vec<f32> = x.into_iter().map(|row| row.sum(..).item::<f32>().unwrap()).collect();
    assert_eq!(sums, [3.0, 7.0, 11.0]);
    let total = jit(|x: &Array| {
        let mut total = Array::scalar(0f32);
        for row in x {
            total = total * 2.0 + row;
        }
        total
    });
    assert_eq!(total(&Array::from([1.0f32, 2.0, 3.0]))?.item::<f32>()?, 11.0);
    let message = total(&Array::scalar(1f32)).unwrap_err().to_string();
    assert!(message.contains("iteration over a 0-d array") && message.contains(file!()), "{message}");

    let keys = random::split_with(&random::key(7), random::SplitOptions::new().num(3));
    let each: Vec<Vec<u32>> =
        keys.iter().map(|key| random::key_data(&key).to_vec::<u32>().unwrap()).collect();
    assert_eq!(each.concat(), random::key_data(&keys).to_vec::<u32>()?);
    let panic = std::panic::catch_unwind(|| random::key(7).into_iter()).map(drop).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.starts_with("a single key has no keys to iterate over"), "{message}");
    Ok(())
}

#[test]
fn one_traced_position_out_of_range_is_moved_into_it_and_so_is_its_derivative() {
    let x = Array::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let at = |i: i32| {
        jit(|x: &Array, i: &Array| x.index((1, i)))(&x, &Array::from(i)).unwrap().item::<f32>().unwrap()
    };
    assert_eq!([at(0), at(2), at(5), at(-1), at(-9)], [4.0, 6.0, 6.0, 6.0, 4.0]);
    // As in JAX: the position is that of a slice. Arrays of positions have no derivative out of range.
    let f = |x: &Array, i: &Array| jnp::sum(x.index((.., i)), ..);
    let slope = |i: i32| grad(f)(&x, &Array::from(i)).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(slope(5), [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(slope(-2), [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let rows = jit(|x: &Array, i: &Array| x.index((i, 1..1)))(&x, &Array::from(1)).unwrap();
    assert_eq!(rows.shape(), [0]);
}
