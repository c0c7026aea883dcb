use raxla::signature::{Fun, Traceable};
use raxla::{Array, Result};

fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(f.into_flat())
}

fn main() -> Result<()> {
    let step = jit(|state: Array, x: &Array| (state, x.clone()));
    let (state, x) = (Array::from(1.0), Array::from(2.0));
    step(state, &x)?;
    step(state, &x)?;
    Ok(())
}
