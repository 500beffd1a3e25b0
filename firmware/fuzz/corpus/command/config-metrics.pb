рд"
temperaturedрЇ ч"
moisture(Ќ0Б