/*
 * The reference of the configuration, made from the tables of keys and
 * options: Markdown, and the man page.
 *
 * Called by fr_master_main for --reference.
 */
#ifndef FR_MASTER_REFERENCE_H
#define FR_MASTER_REFERENCE_H

#include <stdio.h>

void fr_reference_md(FILE *out);
void fr_reference_man(FILE *out);

#endif
