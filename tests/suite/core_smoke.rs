//! The first steps: operations without a transformation.

use raxla::{Array, lax};

#[test]
fn eager_operations_run_on_the_device() {
    let x = Array::from([1.0f32, 2.0, 3.0]);
    let y = lax::add(&x, &x);
    assert_eq!(y.to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
    let z = lax::reduce_sum(&lax::mul(&y, &Array::from(2.0)), [0]);
    assert_eq!(z.item::<f32>().unwrap(), 24.0);
    println!("{x} {z:?} {}", lax::sin(&x));
}
