//! `optim`: what Optax gives (`tests/oracle/optax_cases.py`, `optax_functions.py`), every optimiser in every place, and what goes wrong.

mod cases;
mod functions;
mod mistakes;
mod table;
