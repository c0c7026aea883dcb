use raxla::signature::{Fun, Traceable};
use raxla::{Array, Result};

fn jit<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
    Fun::from_flat(f.into_flat())
}

fn main() -> Result<()> {
    let step = jit(|state: (Array, Array)| (state.0, state.1, Array::from(1.0)));
    let mut state = (Array::from(1.0), Array::from(2.0));
    state = step(state)?;
    Ok(())
}
