use raxla::{Array, Result, jit};

fn main() -> Result<()> {
    let step = jit(|state: (Array, Array)| (state.0, state.1, Array::from(1.0)));
    let mut state = (Array::from(1.0), Array::from(2.0));
    state = step(state)?;
    Ok(())
}
