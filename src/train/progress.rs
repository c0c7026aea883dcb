//! A bar that shows how far training is.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};

use super::scalars::{Number, named};
use crate::error::{Result, caller};
use crate::tree::Pytree;

/// How often numbers are read. The bar itself is drawn twenty times a second at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// A bar on the terminal: steps, steps a second, the time that is left, and what [`step`](Progress::step) is given.
///
/// ```text
/// ━━━━━━━━━━━━━━━━━━━━━━━━━╸             613/1000 loss 0.2137 812.4 steps/s, 0s left
/// ```
///
/// ```
/// use raxla::{prelude::*, train::Progress};
///
/// let mut progress = Progress::new(3);
/// let mut loss = Array::from(1.0f32);
/// for _ in 0..3 {
///     loss = loss * 0.5;
///     progress.step(&loss)?;
/// }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// It is drawn on standard error, and only where that and standard output are terminals: nothing gets into files or pipes. What is
/// shown is read ten times a second, so that the device need not wait at each step.
pub struct Progress {
    bar: ProgressBar,
    next: Instant,
}

impl Progress {
    /// A bar of so many steps.
    #[must_use]
    pub fn new(steps: u64) -> Progress {
        let seen = std::io::stdout().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Progress::on(target, steps)
    }

    fn on(target: ProgressDrawTarget, steps: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // It is a terminal; there is nobody to tell.
            let _ = write!(out, "{:.1} steps/s", state.per_sec());
        };
        // The template has no mistake, and without one the bar is indicatif's own.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {rate}, {eta} left") {
            bar.set_style(style.with_key("rate", rate).progress_chars("━╸ "));
        }
        Progress { bar: bar.with_finish(ProgressFinish::Abandon), next: Instant::now() }
    }

    /// One step is done. The scalars of a tree are shown by their paths; one array alone is the loss, `&()` is nothing.
    ///
    /// # Errors
    /// `Progress::step: loss is f32[2], and not one real number`; what a number's computation failed with.
    #[track_caller]
    pub fn step<T: Pytree>(&mut self, values: &T) -> Result<()> {
        let here = caller();
        self.advance(values).map_err(|e| e.at(here))
    }

    fn advance<T: Pytree>(&mut self, values: &T) -> Result<()> {
        let named = named("Progress::step", values)?;
        let is_last = Some(self.bar.position() + 1) == self.bar.length();
        if !self.bar.is_hidden() && (is_last || Instant::now() >= self.next) {
            let shown = named.iter().map(|(name, x)| Ok(format!("{name} {}", short(Number::read(name, x)?))));
            self.bar.set_message(shown.collect::<Result<Vec<String>>>()?.join(", "));
            self.next = Instant::now() + INTERVAL;
        }
        self.bar.inc(1);
        if is_last {
            self.bar.abandon();
        }
        Ok(())
    }

    /// Runs what writes to the terminal itself, without the bar in between.
    pub fn suspend<R>(&self, f: impl FnOnce() -> R) -> R {
        self.bar.suspend(f)
    }
}

/// Four digits.
fn short(number: Number) -> String {
    match number {
        Number::Integer(n) => n.to_string(),
        number => match number.single() {
            x if x == 0.0 || (1e-3..1e5).contains(&x.abs()) || !x.is_finite() => format!("{x:.4}"),
            x => format!("{x:.3e}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;
    use crate::Array;

    /// A terminal that keeps what is written.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            200
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.write_str(s)
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(s);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_shows_steps_scalars_and_the_rate() {
        let screen = Screen::default();
        let mut progress = Progress::on(ProgressDrawTarget::term_like(Box::new(screen.clone())), 3);
        for loss in [1.0f32, 0.5, 0.25e-4] {
            progress.step(&(Array::from(loss), Array::from(7))).unwrap();
        }
        let text = screen.0.lock().unwrap().clone();
        for shown in ["3/3", "0 2.500e-5, 1 7", "steps/s"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }

    #[test]
    fn a_bar_that_nobody_sees_reads_nothing() {
        let mut progress = Progress::on(ProgressDrawTarget::hidden(), 2);
        // A tracer has no value to be read.
        let traced = crate::make_jaxpr(|x: &Array| {
            let mut inside = Progress::on(ProgressDrawTarget::hidden(), 2);
            inside.step(x).map(|()| x.clone())
        });
        assert!(traced(&Array::from(1.0f32)).is_ok());
        let e = progress.step(&Array::from([1.0f32, 2.0])).unwrap_err();
        assert_eq!(e.message(), "Progress::step: loss is f32[2], and not one real number");
    }
}
