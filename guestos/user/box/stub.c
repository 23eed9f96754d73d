/* Images are not there yet: containers have directories as roots. */
#include "box.h"
void image_load(struct record *image, const char *name) { die("there is no image %s: only --rootfs DIR for now", name); }
char *image_name(const char *name) { return strdup(name); }
static int none(void) { die("there are no images yet: only --rootfs DIR"); }
int command_images(char **argv) { return none(); }
int command_rmi(char **argv) { return none(); }
int command_import(char **argv) { return none(); }
int command_build(char **argv) { return none(); }
int daemon_main(int argc, char **argv) { die("there is no daemon yet"); }
bool daemon_ask(int argc, char **argv, int *status) { return false; }
