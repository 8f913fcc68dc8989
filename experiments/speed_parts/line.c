/* The limit that speed.py measures against: many trials of the line by gradient descent, as plain machine code.

   Everything that the result table says of a trial, in 32-bit floating point, for rows in order of learning rate, so
   that neighbours end at about the same time. The loops over lanes are what the compiler turns into SIMD; a turn of a
   few updates is written out inside them, so that a lane's state stays in registers. A block ends when all of its lanes
   have.

   Losses are kept as sums of squares, three times the mean, until a trial has ended. */

#include <float.h>
#include <math.h>
#include <stdint.h>

#define LANES 64
#define TURN 4

/* With constant numbers of updates, each of which is compiled for itself. */
#define INLINE static inline __attribute__((always_inline))

enum status { CONVERGED, DIVERGED, SLOW, OSCILLATING, STALLED };

/* What is known of a block's trials; `settled` counts the updates at the target in a row, `away` those since it
   diverged, `low_at` is the last whose loss was at most twice the first. The rate is 2 / 3 of the learning rate, and 0 once a trial has ended: then nothing changes any more. */
struct block {
    _Alignas(64) float w0[LANES], w1[LANES], rate[LANES], near[LANES], twice[LANES], far[LANES];
    _Alignas(64) float initial[LANES], last[LANES], best[LANES], half[LANES], late[LANES], promised[LANES];
    _Alignas(64) int32_t best_at[LANES], settled[LANES], away[LANES], low_at[LANES];
};

struct table {
    int8_t *status;
    int64_t *steps, *converged_at, *diverged_at, *best_at;
    double *initial_loss, *final_loss, *best_loss, *rate;
};

/* The line's residuals at x = 0, 1, 3 with y = -1, 1, 5: the sum of their squares, and 3 / 2 of its mean's gradient. */
INLINE float descend(float w0, float w1, float *g0, float *g1)
{
    float r0 = w0 + 1.0f, r1 = w0 + w1 - 1.0f, r3 = w0 + 3.0f * w1 - 5.0f;
    *g0 = r0 + r1 + r3;
    *g1 = r1 + 3.0f * r3;
    return r0 * r0 + r1 * r1 + r3 * r3;
}

/* |gradient . update| from 3 / 2 of the gradient and 2 / 3 of the learning rate. */
INLINE float promise(float rate, float g0, float g1)
{
    return rate * (2.0f / 3.0f) * (g0 * g0 + g1 * g1);
}

/* Some updates with losses each below the best before, and none near the minimum: then the last is the best, and
   nothing else happens. Where that does not hold for all lanes, returns 0 and leaves them as they were. */
INLINE int fall(struct block *block, int k, int updates, int promising)
{
    _Alignas(64) float w0s[LANES], w1s[LANES], lasts[LANES], promises[LANES];
    int fell = 1;
#pragma omp simd reduction(& : fell)
    for (int lane = 0; lane < LANES; lane++) {
        float w0 = block->w0[lane], w1 = block->w1[lane], rate = block->rate[lane];
        float loss = block->best[lane], promised = block->promised[lane], g0, g1;
        int falling = 1;
#pragma GCC unroll 32
        for (int update = 0; update < updates; update++) {
            float before = loss;
            loss = descend(w0, w1, &g0, &g1);
            falling &= loss < before;
            w0 -= rate * g0;
            w1 -= rate * g1;
            if (promising)
                promised += promise(rate, g0, g1);
        }
        w0s[lane] = w0;
        w1s[lane] = w1;
        lasts[lane] = loss;
        promises[lane] = promised;
        fell &= falling & (loss > block->near[lane]);
    }
    if (!fell)
        return 0;
    for (int lane = 0; lane < LANES; lane++) {
        block->w0[lane] = w0s[lane];
        block->w1[lane] = w1s[lane];
        block->best[lane] = lasts[lane];
        block->best_at[lane] = block->low_at[lane] = k + updates - 1;
        block->promised[lane] = promises[lane];
    }
    return 1;
}

/* Some updates, whatever happens in them; returns whether any trial goes on. */
INLINE int step(struct block *block, int k, int updates, int32_t hold, int promising)
{
    int going = 0;
#pragma omp simd reduction(| : going)
    for (int lane = 0; lane < LANES; lane++) {
        float w0 = block->w0[lane], w1 = block->w1[lane], rate = block->rate[lane];
        float near = block->near[lane], twice = block->twice[lane], far = block->far[lane];
        float loss = 0.0f, best = block->best[lane], promised = block->promised[lane], g0, g1;
        int32_t best_at = block->best_at[lane], settled = block->settled[lane], away = block->away[lane];
        int32_t low_at = block->low_at[lane];
#pragma GCC unroll 32
        for (int update = 0; update < updates; update++) {
            loss = descend(w0, w1, &g0, &g1);
            best_at = loss < best ? k + update : best_at;
            best = loss < best ? loss : best;
            settled = loss <= near ? settled + 1 : 0;
            away = loss <= far ? away : away + 1;
            low_at = loss <= twice ? k + update : low_at;
            rate = settled == hold ? 0.0f : rate;
            rate = away ? 0.0f : rate;
            w0 -= rate * g0;
            w1 -= rate * g1;
            if (promising)
                promised += promise(rate, g0, g1);
        }
        block->w0[lane] = w0;
        block->w1[lane] = w1;
        block->rate[lane] = rate;
        block->last[lane] = loss;
        block->best[lane] = best;
        block->best_at[lane] = best_at;
        block->settled[lane] = settled;
        block->away[lane] = away;
        block->low_at[lane] = low_at;
        block->promised[lane] = promised;
        going |= rate != 0.0f;
    }
    return going;
}

/* Some updates, the short way as long as that goes. */
INLINE int advance(struct block *block, int k, int updates, int32_t hold, int promising, int *falling)
{
    *falling = *falling && fall(block, k, updates, promising);
    return *falling || step(block, k, updates, hold, promising);
}

/* The rule by which lrsweep classifies a trial that neither converged nor diverged; the minimum is 0. */
static enum status classify(float half, float late, float last, float promised)
{
    float share = 0.01f * last, down = late - last;
    if (down <= 4 * FLT_EPSILON * last)
        down = 0.0f;
    if (down > 0.0f && (down >= share || down >= 0.5f * (half - late)))
        return SLOW;
    return promised > 0.0f && promised >= share ? OSCILLATING : STALLED;
}

/* Writes down what became of a trial, `seen` losses after its start; the last quarter begins after `late` updates. */
static void finish(const struct block *block, int lane, int64_t row, int seen, int64_t hold, int late,
                   struct table *out)
{
    int32_t settled = block->settled[lane], away = block->away[lane], low_at = block->low_at[lane];
    int at_once = away > 0, converged = !at_once && settled > 0;
    int diverged = at_once || (!converged && low_at <= late);
    /* A trial that has ended stays where it is, and goes on counting. */
    int64_t held = settled < hold ? settled : hold;
    int64_t steps = at_once ? seen - away : converged ? seen - 1 - (settled - held) : seen - 1;
    float initial = block->initial[lane] / 3.0f, last = block->last[lane] / 3.0f;
    out->status[row] = diverged    ? DIVERGED
                       : converged ? CONVERGED
                                   : classify(block->half[lane] / 3.0f, block->late[lane] / 3.0f, last,
                                              block->promised[lane]);
    out->steps[row] = steps;
    out->converged_at[row] = converged ? steps - held + 1 : -1;
    out->diverged_at[row] = at_once ? steps : diverged ? low_at + 1 : -1;
    out->best_at[row] = block->best_at[lane];
    out->initial_loss[row] = initial;
    out->final_loss[row] = last;
    out->best_loss[row] = block->best[lane] / 3.0f;
    out->rate[row] = steps ? pow((double)last / initial, 1.0 / steps) : NAN;
}

/* Runs a block of rows, of which `used` are there, to the end of each. */
static void run_block(int64_t first, int used, const double *rate, const double *w0, const double *w1, int32_t steps,
                      int32_t hold, float tolerance, float divergence, struct table *out)
{
    const int half = steps / 2, late = steps - (steps + 3) / 4;
    struct block block;
    for (int lane = 0; lane < LANES; lane++) {
        int64_t row = first + (lane < used ? lane : used - 1);
        float g0, g1;
        block.w0[lane] = w0[row];
        block.w1[lane] = w1[row];
        block.rate[lane] = (float)rate[row] * (2.0f / 3.0f);
        block.initial[lane] = descend(block.w0[lane], block.w1[lane], &g0, &g1);
        block.best[lane] = INFINITY;
        block.near[lane] = tolerance * block.initial[lane];
        block.twice[lane] = 2.0f * block.initial[lane];
        block.far[lane] = fminf(block.initial[lane] + divergence * block.initial[lane], FLT_MAX);
        block.promised[lane] = 0.0f;
        block.best_at[lane] = block.settled[lane] = block.away[lane] = block.low_at[lane] = 0;
    }
    int k = 0, falling = 1, going = 1;
    while (going && k < steps) {
        int mark = k <= half ? half + 1 : k < late ? late : k == late ? late + 1 : steps;
        int updates = mark - k < TURN ? 1 : TURN;
        if (k < late)
            going = updates == 1 ? advance(&block, k, 1, hold, 0, &falling)
                                 : advance(&block, k, TURN, hold, 0, &falling);
        else
            going = updates == 1 ? advance(&block, k, 1, hold, 1, &falling)
                                 : advance(&block, k, TURN, hold, 1, &falling);
        k += updates;
        for (int lane = 0; lane < LANES; lane++) {
            block.half[lane] = k == half + 1 ? block.best[lane] : block.half[lane];
            block.late[lane] = k == late + 1 ? block.best[lane] : block.late[lane];
        }
    }
    if (going)
        step(&block, k++, 1, hold, 0);
    for (int lane = 0; lane < used; lane++)
        finish(&block, lane, first + lane, k, hold, late, out);
}

void run_trials(int64_t trials, const double *rate, const double *w0, const double *w1, int64_t steps, int64_t hold,
                double tolerance, double divergence, struct table *out)
{
#pragma omp parallel for schedule(dynamic)
    for (int64_t first = 0; first < trials; first += LANES) {
        int64_t left = trials - first;
        run_block(first, left < LANES ? left : LANES, rate, w0, w1, steps, hold, tolerance, divergence, out);
    }
}
