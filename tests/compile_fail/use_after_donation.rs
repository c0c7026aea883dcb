use raxla::{Array, Result, jit};

fn main() -> Result<()> {
    let step = jit(|state: Array, x: &Array| (state, x.clone()));
    let (state, x) = (Array::from(1.0), Array::from(2.0));
    step(state, &x)?;
    step(state, &x)?;
    Ok(())
}
