"""Who runs a workload: native host, Unicorn, QEMU, Bochs and Ringzero's engines, behind one interface."""
