/* The sun and four planets under gravity, in SSE2 double precision: add, multiply, divide, square root. */
#include "workload.h"

enum { BODIES = 5, STEPS = 64 };
struct body { double x, y, z, vx, vy, vz, mass; };

static struct body bodies[BODIES] = {
    { 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.5 },
    { 4.84, -1.16, -0.104, 0.606, 2.81, -0.0252, 0.0377 },
    { 8.34, 4.12, -0.404, -1.01, 1.82, 0.00842, 0.0113 },
    { 12.9, -15.1, -0.223, 1.08, 0.869, -0.0108, 0.00172 },
    { 15.4, -25.9, 0.179, 0.979, 0.594, -0.0348, 0.00203 },
};

static void advance(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double squared = dx * dx + dy * dy + dz * dz;
            double pull = dt / (squared * __builtin_sqrt(squared));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static uint64_t bits(double value)
{
    union { double value; uint64_t bits; } both = { value };
    return both.bits;
}

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        for (int step = 0; step < STEPS; step++)
            advance(0.01);
        for (int i = 0; i < BODIES; i++)
            checksum = mix(checksum, bits(bodies[i].x) + bits(bodies[i].vy));
    }
    return checksum;
}
