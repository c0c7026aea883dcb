use raxla::api::{GradOptions, grad_with};
use raxla::{Array, jvp};

fn product(x: &Array, y: &Array) -> Array {
    x * y
}

fn main() {
    grad_with(product, GradOptions::argnum::<2>());
    grad_with(product, GradOptions::new().has_aux());
    let x = Array::from(1.0);
    let _ = jvp(product, (&x,), (&x,));
}
