use raxla::{Array, Result, grad, jit};

fn without_bounds<F: Fn(&Array) -> Array>(f: F, x: &Array) -> Result<Array> {
    grad(f)(x)
}

fn without_static<F: Fn(&Array) -> Array + Send + Sync>(f: F, x: &Array) -> Result<Array> {
    jit(f)(x)
}

fn main() {
    let shift = Array::from(1.0);
    let borrows = jit(|x: &Array| x + &shift);
    let _ = without_bounds(|x: &Array| x.clone(), &shift);
    let _ = without_static(|x: &Array| x.clone(), &shift);
    let _ = borrows(&shift);
}
