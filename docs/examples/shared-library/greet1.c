/* libgreet, first version. */
const char *greeting(void) { return "hello"; }
