//! The privacy loss of one bucket of a sketch.
//!
//! No floating point may ever enter this file.

use dashu::integer::UBig;

use super::fixed::{BITS, Logarithms, divide_up, multiply_up, one};

/// The free number y of the bound is a multiple of 1/GRID.
const GRID: u32 = 1 << 20;

/// An upper bound of the zCDP cost of one bucket, in fixed point: the least rho such that both
/// `D_alpha(P||Q)` and `D_alpha(Q||P)` are at most `rho alpha` for every `alpha > 1`, where a person's bucket
/// is `P = Bernoulli(1/2)` with the person and `Q = Bernoulli((1-beta)/2)` without. `beta` is a fixed-point
/// number in `[0, 1 - 2^-63]`; one that is too large gives a bound that is too large, never too small.
///
/// # The exact cost
/// Write `M = artanh beta = (ln(1+beta) - ln(1-beta))/2`, `m = -ln(1-beta^2)/2 = ln cosh M`, so that
/// `1 +- beta = exp(-m +- M)`.
///
/// With the person, `s = alpha - 1 > 0`: the moment `sum P^alpha Q^(1-alpha)` is
/// `((1-beta)^-s + (1+beta)^-s)/2 = exp(sm) cosh(sM)`, so that `D_alpha(P||Q)/alpha = F(s)/(1+s)` with
/// `F(s) = m + g(s)`, `g(s) = ln cosh(sM)/s`. With `x = sM`,
/// `s^3 g''(s) = x^2/cosh^2 x - 2x tanh x + 2 ln cosh x` is 0 at 0 and has the derivative
/// `-2 x^2 tanh x/cosh^2 x <= 0`: F is concave. It lies below its tangent at any t > 0, and a tangent
/// `a + bs` divided by `1 + s` is between a (at 0) and b (at infinity). Hence, for every t,
///
/// `D_alpha(P||Q)/alpha <= max(F'(t), F(t) - t F'(t))`,
///
/// and at the t where F(s)/(1+s) is largest, `F'(t) (1+t) = F(t)`, both equal that largest value: the least
/// of these bounds is exact. With `x = tM`:
///
/// `F'(t) = c1 M^2`, `c1 = (x tanh x - ln cosh x)/x^2`, which falls from 1/2 at x = 0 to 0;
/// `F(t) - t F'(t) = m + c2 M`, `c2 = (2 ln cosh x - x tanh x)/x`, which rises from 0 to 1.
///
/// Without the person: `ln sum Q^alpha P^(1-alpha) = h(alpha) = ln cosh(alpha M) - alpha m`, `h(1) = 0`,
/// `h'(1) = M tanh M - m`, and for `alpha >= 1` `h'' = M^2/cosh^2(alpha M) <= M^2/cosh^2 M`. So
/// `D_alpha(Q||P) = h(alpha)/(alpha-1) <= h'(1) + (alpha-1) M^2/(2 cosh^2 M)`, at most alpha times the larger
/// of `h'(1)` and `M^2/(2 cosh^2 M)`. Both are at most m:
/// `beta M = sum_k beta^(2k)/(2k-1) <= sum_k beta^(2k)/k = 2m` over k >= 1, as `1/(2k-1) <= 1/k`; and
/// `2 ln cosh M - M^2/cosh^2 M` is 0 at 0 with a derivative of at least `2 (tanh M - M/cosh^2 M) >= 0`, as
/// `sinh M cosh M >= M`. Since `c2 >= 0`, every bound above covers this direction too.
///
/// # In integers
/// With `y = exp(-2x)` on a grid, `X = 2x = ln(1/y)`, `d = ln(2/(1+y))`: `tanh x = (1-y)/(1+y)`,
/// `ln cosh x = x - d`, hence `c1 = 4 (d - X y/(1+y))/X^2` and `c2 = (1+3y)/(1+y) - 4d/X`. Every y gives a
/// bound, so the search for the best one decides tightness only: bisection finds where the first part of the
/// maximum overtakes the second. It starts from y = 1, where the bound is `max(M^2/2, m) = M^2/2`. Every
/// quantity is rounded up, what is subtracted or divided by down.
pub(super) fn loss(logarithms: &Logarithms, beta: &UBig) -> UBig {
    let one = one();
    let (above, below) = (logarithms.ln(&(&one + beta), &one), logarithms.ln(&one, &(&one - beta)));
    let two = UBig::from(2u8);
    let big_m = divide_up(&below.high + &above.high, &two);
    let small_m = divide_up(&below.high - &above.low, &two);
    let squared = &big_m * &big_m;
    let mut best = divide_up(squared.clone(), &(&one << 1));
    // At `low` the first part is not above the second, at `high` it is.
    let (mut low, mut high) = (0, GRID);
    while high - low > 1 {
        let y = low.midpoint(high);
        let x = logarithms.ln(&UBig::from(GRID), &UBig::from(y));
        let d = logarithms.ln(&UBig::from(2 * GRID), &UBig::from(GRID + y));
        let (y_plus_one, y_times_three) = (UBig::from(GRID + y), UBig::from(GRID + 3 * y));
        let numerator = (&d.high - &x.low * UBig::from(y) / &y_plus_one) << 2;
        let first = divide_up(numerator * &squared, &(&x.low * &x.low));
        let c2 = divide_up(y_times_three << BITS, &y_plus_one) - (&d.low << (BITS + 2)) / &x.high;
        let second = &small_m + multiply_up(&big_m, &c2);
        if first <= second {
            low = y;
            best = best.min(second);
        } else {
            high = y;
            best = best.min(first);
        }
    }
    best
}
