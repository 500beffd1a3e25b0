0.1.0"
led(0y8Bthere is no metric `light`