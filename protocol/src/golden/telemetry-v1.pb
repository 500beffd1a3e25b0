*0ˆ'
temperatureffªA
humidity P	
soil €€°œÛŸ4	
soil ş