/* A stand-in for NVIDIA's management library. STATE names a file with a line for each GPU, tabs between:
 * uuid name power instant average energy temperature load limit architecture major minor mig
 * "-" is what a GPU does not support; a power of -1 is a GPU that has left its bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, NO_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_LOADED = 9, LOST = 15 };
enum { UUID, NAME, POWER, INSTANT, AVERAGE, ENERGY, TEMPERATURE, LOAD, LIMIT, ARCHITECTURE, MAJOR, MINOR, MIG, COLUMNS };
enum { MOST = 16, WIDTH = 96 };

static char cells[MOST][COLUMNS][WIDTH];
static int count = -1;

static int load(void) {
    FILE *file = fopen(STATE, "r");
    char line[2048];
    count = -1;
    if (!file) return NOT_LOADED;
    for (count = 0; count < MOST && fgets(line, sizeof line, file); count++) {
        char *rest = line;
        line[strcspn(line, "\n")] = 0;
        for (int i = 0; i < COLUMNS; i++) {
            char *cell = strsep(&rest, "\t");
            snprintf(cells[count][i], WIDTH, "%s", cell ? cell : "-");
        }
    }
    fclose(file);
    return DONE;
}

static int number(void *handle, int column, unsigned long long *value) {
    int i = (int)(size_t)handle - 1;
    if (load() || i < 0 || i >= count || !strcmp(cells[i][POWER], "-1")) return LOST;
    if (!strcmp(cells[i][column], "-")) return NOT_SUPPORTED;
    *value = strtoull(cells[i][column], NULL, 10);
    return DONE;
}

static int narrow(void *handle, int column, unsigned *value) {
    unsigned long long wide;
    int answer = number(handle, column, &wide);
    if (!answer) *value = (unsigned)wide;
    return answer;
}

static int text(void *handle, int column, char *room, unsigned length) {
    int i = (int)(size_t)handle - 1;
    if (load() || i < 0 || i >= count) return LOST;
    snprintf(room, length, "%s", cells[i][column]);
    return DONE;
}

int nvmlInit_v2(void) { return load(); }
int nvmlShutdown(void) { return DONE; }
int nvmlDeviceGetCount_v2(unsigned *n) { int a = load(); if (!a) *n = (unsigned)count; return a; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) {
    if (load() || (int)i >= count) return NO_ARGUMENT;
    if (!strcmp(cells[i][POWER], "-1")) return LOST;
    *handle = (void *)(size_t)(i + 1);
    return DONE;
}
int nvmlDeviceGetUUID(void *h, char *s, unsigned n) { return text(h, UUID, s, n); }
int nvmlDeviceGetName(void *h, char *s, unsigned n) { return text(h, NAME, s, n); }
int nvmlDeviceGetPowerUsage(void *h, unsigned *v) { return narrow(h, POWER, v); }
int nvmlDeviceGetTotalEnergyConsumption(void *h, unsigned long long *v) { return number(h, ENERGY, v); }
int nvmlDeviceGetTemperature(void *h, unsigned sensor, unsigned *v) { return sensor ? NO_ARGUMENT : narrow(h, TEMPERATURE, v); }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *v) { return narrow(h, LIMIT, v); }
int nvmlDeviceGetArchitecture(void *h, unsigned *v) { return narrow(h, ARCHITECTURE, v); }
int nvmlDeviceGetUtilizationRates(void *h, unsigned *v) { v[1] = 0; return narrow(h, LOAD, v); }
int nvmlDeviceGetMigMode(void *h, unsigned *mode, unsigned *pending) { *pending = 0; return narrow(h, MIG, mode); }
int nvmlDeviceGetCudaComputeCapability(void *h, int *major, int *minor) {
    return narrow(h, MAJOR, (unsigned *)major) || narrow(h, MINOR, (unsigned *)minor) ? NOT_SUPPORTED : DONE;
}

typedef struct {
    unsigned field, scope;
    long long timestamp, latency;
    unsigned type, answer;
    union { double d; unsigned ui; unsigned long long ull; } value;
} field_value;

int nvmlDeviceGetFieldValues(void *h, int n, field_value *values) {
    for (int i = 0; i < n; i++) {
        unsigned long long found = 0;
        int column = values[i].field == 186 ? INSTANT : values[i].field == 185 ? AVERAGE : -1;
        values[i].answer = column < 0 ? NOT_SUPPORTED : (unsigned)number(h, column, &found);
        values[i].type = 1;
        values[i].value.ui = (unsigned)found;
    }
    return DONE;
}
