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

/* The sum of (q + k)^-s over k >= 0 by the formula of Euler and Maclaurin from q + k >= 10 on. */
double wg_zeta_f64(double s, double q) {
    static const double bernoulli[] = { /* B_2j / (2j)! */
        1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000, 1.0 / 74724249600,
        -3617.0 / 10670622842880000,
    };
    if (s == 1) return INFINITY;
    if (s < 1) return NAN;
    if (q <= 0) {
        if (q == floor(q)) return INFINITY;
        if (s != floor(s)) return NAN; /* q^-s is not defined */
    }
    if (isnan(s) || isnan(q)) return NAN;
    if (q > 1e8) return (1 / (s - 1) + 1 / (2 * q)) * pow(q, 1 - s);
    double sum = 0;
    for (; q < 10; q += 1) {
        const double term = pow(q, -s);
        sum += term;
        if (fabs(term) < 1e-17 * fabs(sum)) return sum;
    }
    const double last = pow(q, -s);
    sum += last * q / (s - 1) + 0.5 * last;
    double factor = s * last / q;
    for (int j = 0; j < 8; j++) {
        sum += bernoulli[j] * factor;
        factor *= (s + 2 * j + 1) * (s + 2 * j + 2) / (q * q);
    }
    return sum;
}
