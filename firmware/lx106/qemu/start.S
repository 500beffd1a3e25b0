# What Rust cannot say for this processor, which has no inline assembler: the start, the exception
# vectors, and access to special registers. Calls follow the ABI without register windows: arguments
# and results in a2 and up, a0 is the return address.

# The vectors' places are fixed by the processor, relative to VECBASE.
    .section .vectors, "ax"
    .align 256
vectors:
    .org 0x10                   # debug
    j   fault
    .org 0x20                   # not maskable
    j   fault
    .org 0x30                   # kernel
    j   exception
    .org 0x50                   # user
    j   exception
    .org 0x70                   # double
    j   fault

    .section .start, "ax"
    .align 4
    .literal_position
    .global _start
_start:
    movi a2, vectors
    wsr a2, vecbase
    # All interrupts are held back until the watchdog is fed for the first time.
    movi a2, 0
    wsr a2, intenable
    movi a2, 0x0f
    wsr a2, ps
    rsync
    movi a1, _stack_begin
    # Clear .bss, and mark the stack so that its use can be told.
    movi a2, _bss_begin
    movi a3, _bss_end
    movi a4, 0
1:  bgeu a2, a3, 2f
    s32i a4, a2, 0
    addi a2, a2, 4
    j   1b
2:  movi a4, 0xa5a5a5a5
3:  bgeu a2, a1, 4f
    s32i a4, a2, 0
    addi a2, a2, 4
    j   3b
4:  movi a2, rust_main
    callx0 a2
    j   fault

# While the node waits, an interrupt has done its work when it has ended the waiting: none is let
# through until the next time. While it works only the timer's is let through, as watchdog.
# Everything else is a fault.
    .align 4
exception:
    wsr a0, excsave1
    rsr a0, exccause
    bnei a0, 4, fault           # 4: level-1 interrupt
    rsr a0, intenable
    bbci a0, 0, watchdog        # 0: the serial line, which only cpu_wait lets through
    movi a0, 0
    wsr a0, intenable
    rsync
    rsr a0, excsave1
    rfe

# Nobody has fed it. What hangs may hold anything, so nothing is returned to.
    .align 4
watchdog:
    movi a1, _stack_begin
    movi a0, 0x0f
    wsr a0, ps
    rsync
    movi a0, rust_watchdog
    callx0 a0
1:  j   1b

    .align 4
fault:
    rsr a2, exccause
    rsr a3, epc1
    rsr a4, excvaddr
    movi a1, _stack_begin
    movi a0, 0x0f
    wsr a0, ps
    rsync
    movi a0, rust_fault
    callx0 a0
1:  j   1b

    .section .cpu, "ax"
    .align 4
    .literal_position
    .global cpu_ccount
cpu_ccount:                     # () -> cycles
    rsr a2, ccount
    ret

    .align 4
    .global cpu_hold
cpu_hold:                       # () -> state for cpu_restore
    rsil a2, 15
    ret

    .align 4
    .global cpu_restore
cpu_restore:                    # (state)
    wsr a2, ps
    rsync
    ret

# Lets the watchdog bite when CCOUNT has this value.
    .align 4
    .global cpu_feed
cpu_feed:                       # (cycles)
    rsil a5, 15
    movi a3, bite_at
    s32i a2, a3, 0
    movi a4, 1 << 6             # the timer
    s32i a4, a3, 4
    movi a5, 0                  # from now on, interrupts are let through
    j   guard

# Waits for an interrupt, at most until CCOUNT has this value. Interrupts are held back before and
# after, so none can come too early and be missed.
    .align 4
    .global cpu_wait
cpu_wait:                       # (cycles, interrupts)
    rsil a5, 15
    wsr a2, ccompare0           # takes a pending timer interrupt back, too
    esync
    rsr a4, ccount
    sub a4, a2, a4
    bltz a4, 1f                 # too late to be told by the timer
    wsr a3, intenable
    rsync
    waiti 0
    rsil a2, 15
1:
# Gives the timer back to the watchdog, and PS (a5) its value.
guard:
    movi a3, bite_at
    l32i a2, a3, 0
    l32i a4, a3, 4
    wsr a2, ccompare0
    wsr a4, intenable
    rsync
    rsr a3, ccount
    sub a3, a2, a3
    bgez a3, 2f
    bnez a4, watchdog_due       # its time has passed while the node waited
2:  wsr a5, ps
    rsync
    ret
watchdog_due:
    movi a2, watchdog
    jx  a2

    .section .bss.bite_at, "aw", @nobits
    .align 4
bite_at:                        # CCOUNT, and the interrupt when it was ever fed
    .space 8

    .section .cpu, "ax"

# Ends QEMU with an exit code.
    .align 4
    .global sim_exit
sim_exit:                       # (code)
    mov a3, a2
    movi a2, 1
    simcall
1:  j   1b

    .align 4
    .global abort
abort:
    movi a2, 134
    j   sim_exit
