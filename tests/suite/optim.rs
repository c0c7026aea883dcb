//! `optim`: what Optax gives (`tests/oracle/optax_cases.py`, `optax_contrib.py`, `optax_functions.py`), every optimiser in every place, and
//! what goes wrong.

mod algorithms;
mod cases;
mod contrib;
mod contrib_cases;
mod contrib_mistakes;
mod functions;
mod mistakes;
mod table;
