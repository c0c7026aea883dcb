//! `optim`: what Optax gives (`tests/oracle/optax_cases.py`), every optimiser in every place, and what goes wrong.

mod cases;
mod mistakes;
mod table;
