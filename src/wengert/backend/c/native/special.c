/* Special functions that libm lacks. */

static const double wg_pi = 3.14159265358979323846;

/* Recurrence up to x >= 10, then the asymptotic series (Abramowitz & Stegun 6.3.18); reflection for x < 0. */
double wg_digamma_f64(double x) {
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0) {
        const double fraction = x - floor(x);
        if (fraction == 0) return NAN;
        return wg_digamma_f64(1 - x) - wg_pi / tan(wg_pi * fraction);
    }
    double below = 0;
    for (; x < 10; x += 1) below += 1 / x;
    const double y = 1 / (x * x);
    const double late = 1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12));
    const double series = y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * late)));
    return log(x) - 0.5 / x - series - below;
}

/* As above with 6.4.12. */
double wg_trigamma_f64(double x) {
    if (x <= 0) {
        const double fraction = x - floor(x);
        if (fraction == 0) return INFINITY;
        const double s = wg_pi / sin(wg_pi * fraction);
        return s * s - wg_trigamma_f64(1 - x);
    }
    double below = 0;
    for (; x < 10; x += 1) below += 1 / (x * x);
    const double r = 1 / x, y = r * r;
    const double series = r * y *
        (1.0 / 6 - y * (1.0 / 30 - y * (1.0 / 42 - y * (1.0 / 30 - y * (5.0 / 66 - y * (691.0 / 2730 - y * 7 / 6))))));
    return r + 0.5 * y + series + below;
}
